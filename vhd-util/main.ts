import type { Command, Tool } from './Command.ts'
import { errnoOf, Failed, UsageError } from './failure.ts'
import { getopt, OptionError, type Options } from './getopt.ts'

const EINVAL = 22

/** Loaded when they are called for: most of the time of a short command is its start. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  create: async () => (await import('./create.ts')).create,
  snapshot: async () => (await import('./snapshot.ts')).snapshot,
  query: async () => (await import('./query.ts')).query,
  read: async () => (await import('./read.ts')).read,
  set: async () => (await import('./set.ts')).set,
  repair: async () => (await import('./repair.ts')).repair,
  resize: async () => (await import('./resize.ts')).resize,
  fill: async () => (await import('./fill.ts')).fill,
  coalesce: async () => (await import('./coalesce.ts')).coalesce,
  modify: async () => (await import('./modify.ts')).modify,
  scan: async () => (await import('./scan.ts')).scan,
  check: async () => (await import('./check.ts')).check,
  revert: async () => (await import('./revert.ts')).revert,
  key: async () => (await import('./key.ts')).key,
  copy: async () => (await import('./copy.ts')).copy,
}

/** Runs one command line, without the program's name, and returns its exit code (spec vhd 6). */
export async function main(argv: readonly string[], tool: Tool): Promise<number> {
  const words = argv.filter(word => word !== '--debug')
  try {
    return await runLine(words, tool)
  } catch (error) {
    // Neither the output nor the usage could be written.
    return errnoOf(error)
  }
}

async function runLine([name, ...rest]: readonly string[], tool: Tool): Promise<number> {
  const load = name === undefined || !Object.hasOwn(COMMANDS, name) ? undefined : COMMANDS[name]
  if (load === undefined) return listCommands(tool, name)
  return runCommand(tool, await load(), { name: name ?? '', argv: rest })
}

async function listCommands(tool: Tool, unknown: string | undefined): Promise<number> {
  if (unknown !== undefined) await tool.err(`invalid COMMAND ${unknown}\n`)
  const names = Object.keys(COMMANDS).join(' | ')
  await tool.out(`usage: vhd-util COMMAND [OPTIONS]\nCOMMAND := { ${names} }\n`)
  return 0
}

async function runCommand(
  tool: Tool,
  command: Command,
  line: { readonly name: string; readonly argv: readonly string[] },
): Promise<number> {
  try {
    const options = parse(command, line.argv)
    if (options.flags.has('h')) return await showUsage(tool, command, command.helpExit)
    if (command.operands !== true && options.operands.length > 0) throw new UsageError()
    return await command.run(tool, options)
  } catch (error) {
    if (error instanceof OptionError) await tool.err(`${line.name}: ${error.message}\n`)
    else if (error instanceof UsageError && error.message !== '') await tool.out(`${error.message}\n`)
    if (error instanceof OptionError || error instanceof UsageError) return showUsage(tool, command, EINVAL)
    if (error instanceof Failed) await tool[error.stream](error.message)
    return errnoOf(error)
  }
}

function parse(command: Command, argv: readonly string[]): Options {
  return getopt(argv, `${command.options}h`)
}

async function showUsage(tool: Tool, command: Command, exitCode: number): Promise<number> {
  await tool.out(`usage: vhd-util ${command.usage}\n`)
  return exitCode
}
