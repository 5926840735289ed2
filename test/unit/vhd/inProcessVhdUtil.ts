import { CommandError, type Run } from '../../../lib/os/run.ts'
import { vhdUtil } from '../vhd-util/run.ts'
import { newUuid } from './support.ts'

/** A `run` for which every program is our `vhd-util` in this process, and the command lines it was given. */
export function inProcessVhdUtil(): { readonly run: Run; readonly calls: string[][] } {
  const calls: string[][] = []
  const run: Run = async argv => {
    calls.push([...argv])
    const { exitCode, stdout, stderr } = await vhdUtil(argv.slice(1), { system: { newUuid } })
    if (exitCode !== 0) throw new CommandError(argv, exitCode, stderr, stderr === '' ? stdout : stderr)
    return { exitCode, stdout, stderr }
  }
  return { run, calls }
}
