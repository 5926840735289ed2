import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'

interface Options {
  readonly dryRun?: true
  readonly keepSize?: true
  readonly json?: true
}

export function vdiRevertCommand(): Command {
  return makeCommand('vdi-revert', {
    summary: 'put a disk back to a snapshot, in place',
    description:
      'The disk stays the disk it is: uuid, reference, name and attachments remain, only its content and size become ' +
      'those of the snapshot. What was written since is lost: take a snapshot first if it may be needed. ' +
      'The disk must not be in use. The snapshot stays, so going back again is possible at any time.',
    examples: [
      ['sm vdi-revert --dry-run before-upgrade', 'what would happen, and what stands in the way'],
      ['sm vdi-revert before-upgrade', 'do it'],
      ['sm vdi-revert before-upgrade --keep-size', 'and grow the disk again to the size it has now'],
    ],
  })
    .argument('<snapshot>', 'the snapshot to go back to: name, uuid or beginning of the uuid')
    .option('-n, --dry-run', 'show the plan and what blocks it, change nothing; exit code 1 if it is blocked')
    .option('--keep-size', 'afterwards grow the disk to the size it had')
    .option(...JSON_FLAG)
    .action((text: string, options: Options) =>
      connected(async connection => {
        const { dryRun, keepSize, json } = options
        const { chooseRevert } = await import('../revert/chooseRevert.ts')
        const choice = await chooseRevert(connection, text)
        if (dryRun === true) {
          const { showPlan } = await import('../revert/showPlan.ts')
          await showPlan(connection, choice, { keepSize: keepSize === true, json: json === true })
        } else {
          const { revert } = await import('../revert/revert.ts')
          await revert(connection, choice, { keepSize: keepSize === true, json: json === true })
        }
      }),
    )
}
