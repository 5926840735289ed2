// Shows an in-place revert from end to end, with real data, and proves what it shows. Exit code 1 where a proof fails.
import { parseArgs } from 'node:util'
import { crashScenes } from './crashScenes.ts'
import { Report } from './Report.ts'
import { revertScenes } from './revertScenes.ts'
import { Stage } from './Stage.ts'
import { vmScenes } from './vmScenes.ts'
import { makeWorkspace } from './workspace.ts'

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { sr: { type: 'string', default: 'file' } } })
  if (values.sr !== 'file') {
    process.stderr.write(`demo: SR type '${values.sr}' has no demo yet, only 'file' has\n`)
    return 2
  }
  const workspace = makeWorkspace()
  const report = new Report()
  try {
    const started = performance.now()
    const stage = new Stage(workspace.root)
    const cast = await revertScenes(stage, report)
    await vmScenes(stage, report)
    await crashScenes(stage, report, cast)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const { bold, green, red } = report.colours
    report.line(`\n${bold(report.hasFailed ? red('A proof failed.') : green(`Everything proven, in ${seconds} s.`))}`)
    return report.hasFailed ? 1 : 0
  } finally {
    workspace.remove()
  }
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
