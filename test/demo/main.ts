// Shows an in-place revert from end to end, with real data, and proves what it shows. Exit code 1 where a proof fails.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { missingForLab } from '../lab/requirements.ts'
import { crashScenes } from './crashScenes.ts'
import { poolScenes } from './poolScenes.ts'
import { Report } from './Report.ts'
import { revertScenes } from './revertScenes.ts'
import { Stage } from './Stage.ts'
import { fileStorage, lvhdStorage } from './storage.ts'
import { vmScenes } from './vmScenes.ts'
import { makeWorkspace } from './workspace.ts'

interface Options {
  readonly sr: string
  /** A block device of the guest that the demo goes on in. */
  readonly device?: string
}

const TYPES = ['file', 'lvhd', 'lvhdoiscsi']

function optionsOf(argv: readonly string[]): Options {
  const program = new Command('npm run demo --')
    .description(
      'Shows a revert in place with real data, and proves each thing it shows. Ends with 1 where a proof fails.',
    )
    .addOption(
      new Option('--sr <type>', 'SR type; others than file boot guests of the lab').choices(TYPES).default('file'),
    )
    .addOption(new Option('--device <path>').hideHelp())
  return program.parse(argv).opts<{ sr: string; device?: string }>()
}

async function main(): Promise<number> {
  const { sr, device } = optionsOf(process.argv)
  if (sr === 'lvhd' && device === undefined) return inLab()
  if (sr === 'lvhdoiscsi') return inPool()
  const storage = device === undefined ? fileStorage : lvhdStorage(device)
  const workspace = makeWorkspace()
  // What the demo runs itself and not through its toolstack.
  process.env['SM_LOG'] = path.join(workspace.root, 'sm.log')
  const report = new Report()
  try {
    const started = performance.now()
    const stage = new Stage(workspace.root)
    const cast = await revertScenes(stage, report, storage)
    if (storage === fileStorage) await vmScenes(stage, report)
    await crashScenes(stage, report, cast)
    return conclude(report, started)
  } finally {
    workspace.remove()
  }
}

/** What the types have in common the other demos show; this one is about more than one host. */
async function inPool(): Promise<number> {
  const missing = missingForLab()
  if (missing !== undefined) {
    process.stderr.write(`demo: ${missing}\n`)
    return 2
  }
  const started = performance.now()
  const report = new Report()
  await poolScenes(report)
  return conclude(report, started)
}

/** The exit code. */
function conclude(report: Report, started: number): number {
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const { bold, green, red } = report.colours
  report.line(`\n${bold(report.hasFailed ? red('A proof failed.') : green(`Everything proven, in ${seconds} s.`))}`)
  return report.hasFailed ? 1 : 0
}

/** Real volumes need a kernel of their own: the demo goes on in a guest of the lab. */
function inLab(): number {
  const script = 'lvm_setup; "$LAB_node" /project/dist/demo.cjs --sr lvhd --device "$(loop_disk 16G)"'
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL('lab.cjs', import.meta.url)), script], {
    stdio: 'inherit',
  })
  return status ?? 1
}

main().then(
  code => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = 1
  },
)
