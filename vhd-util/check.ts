import { type CheckOptions, checkDisk } from '../lib/vhd/check.ts'
import { MAX_CHAIN_LENGTH } from '../lib/vhd/layout.ts'
import { VhdError } from '../lib/vhd/VhdUtil.ts'
import { isErrno } from '../lib/os/files.ts'
import { required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { errnoOf, Failed } from './failure.ts'
import type { Options } from './getopt.ts'
import { read } from './read.ts'
import { statistics } from './statistics.ts'

/** Says whether a disk, and with `-p` each of its ancestors, is sound (spec vhd 7.7). */
export const check: Command = {
  options: 'n:iItBbsp',
  usage: 'check -n NAME [-i] [-I] [-t] [-B] [-b] [-s] [-p]',
  helpExit: 0,
  run: async (tool, options) => {
    let next: string | undefined = required(options, 'n')
    const seen = new Set<string>()
    while (next !== undefined && !seen.has(next) && seen.size < MAX_CHAIN_LENGTH) {
      seen.add(next)
      const { exitCode, parent } = await checkOne(tool, next, options)
      if (exitCode !== 0) return exitCode
      next = options.flags.has('p') ? parent : undefined
    }
    return 0
  },
}

const EINVAL = 22

interface Verdict {
  readonly exitCode: number
  /** Path of a VHD parent. */
  readonly parent?: string
}

async function checkOne(tool: Tool, name: string, options: Options): Promise<Verdict> {
  try {
    const { fixed, parent } = await checkDisk(tool.system, name, checkOptions(tool, options))
    if (!fixed) await tool.out(`${name} is valid\n`)
    if (!fixed && options.flags.has('s')) await tool.out(await statistics(tool, name))
    return { exitCode: 0, ...(parent === undefined || parent.raw ? {} : { parent: parent.path }) }
  } catch (error) {
    const errno = isErrno(error, 'EISDIR') ? EINVAL : errnoOf(error)
    await tool.out(`${reason(error, name)}\n${name} appears invalid; dumping metadata\n`)
    await dump(tool, name)
    return { exitCode: errno }
  }
}

function checkOptions(tool: Tool, { flags }: Options): CheckOptions {
  return {
    now: tool.system.now(),
    allowMissingEndFooter: flags.has('i'),
    ignoreParentUuid: flags.has('I'),
    ignoreTimestamps: flags.has('t'),
    allowOverlap: flags.has('B'),
    checkUnusedSectors: flags.has('b'),
  }
}

function reason(error: unknown, name: string): string {
  if (isErrno(error, 'ENOENT') && !(error instanceof VhdError)) return `cannot stat ${name}: 2`
  if (isErrno(error, 'EISDIR')) return `${name} is not a regular file or block device`
  return error instanceof Error ? error.message : String(error)
}

/** What `read -p` says, whatever it says. */
async function dump(tool: Tool, name: string): Promise<void> {
  try {
    await read.run(tool, { flags: new Set('p'), values: new Map([['n', name]]), operands: [] })
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    await tool.out(error.message)
  }
}
