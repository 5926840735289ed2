// Shows an in-place revert from end to end, with real data, and proves what it shows. Exit code 1 where a proof fails.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { crashScenes } from './crashScenes.ts'
import { Report } from './Report.ts'
import { revertScenes } from './revertScenes.ts'
import { Stage } from './Stage.ts'
import { fileStorage, lvhdStorage } from './storage.ts'
import { vmScenes } from './vmScenes.ts'
import { makeWorkspace } from './workspace.ts'

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { sr: { type: 'string', default: 'file' }, device: { type: 'string' } } })
  if (values.sr === 'lvhd' && values.device === undefined) return inLab()
  if (values.sr !== 'file' && values.sr !== 'lvhd') {
    process.stderr.write(`demo: SR type '${values.sr}' has no demo yet, only 'file' and 'lvhd' have\n`)
    return 2
  }
  const storage = values.device === undefined ? fileStorage : lvhdStorage(values.device)
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
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const { bold, green, red } = report.colours
    report.line(`\n${bold(report.hasFailed ? red('A proof failed.') : green(`Everything proven, in ${seconds} s.`))}`)
    return report.hasFailed ? 1 : 0
  } finally {
    workspace.remove()
  }
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
