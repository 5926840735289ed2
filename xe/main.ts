import { XapiError, XapiTransportError } from '../lib/xapi/XapiClient.ts'
import { printable } from '../cli/format/text.ts'
import { OperationError, UsageError } from '../cli/failures.ts'
import { Interrupted } from '../cli/interrupt.ts'
import { endWithoutOutput, print, remark } from '../cli/output.ts'
import type { Command } from './Command.ts'
import { parseCommandLine, type CommandLine } from './CommandLine.ts'
import { XeError } from './failures.ts'

/** Runs one command line, without the program's name. Returns the exit code: 0 done, 1 not, 128 and more: interrupted. */
export async function main(argv: readonly string[]): Promise<number> {
  endWithoutOutput('xe')
  try {
    const line = parseCommandLine(argv)
    const { commands } = await import('./commands/index.ts')
    if (line.command === 'help' || line.flags.has('help')) return await help(commands, line)
    const command = commands.get(line.command)
    if (command === undefined) throw new XeError(`Unknown command: ${line.command}\nFor help, type 'xe help'`)
    return await run(command, line)
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode
    if (!(error instanceof XeError || error instanceof UsageError || error instanceof OperationError)) {
      if (!(error instanceof XapiTransportError)) throw error
      remark(`The server does not answer: ${printable(error.message)}`)
      return 1
    }
    remark(printable(error.message).replaceAll('\\x0a', '\n'))
    if (error instanceof OperationError) for (const advice of error.advice) remark(printable(advice))
    return 1
  }
}

async function run(command: Command, line: CommandLine): Promise<number> {
  const [{ withSession }, { Params }, { Tables }] = await Promise.all([
    import('./connect.ts'),
    import('./Params.ts'),
    import('./Tables.ts'),
  ])
  return withSession(line, async caller => {
    const tables = new Tables(caller)
    const xe = {
      caller,
      params: new Params(line),
      tables,
      isMinimal: line.flags.has('minimal'),
      out: (text: string) => print(`${text}\n`),
      err: remark,
    }
    try {
      await command.run(xe)
      return 0
    } catch (error) {
      if (!(error instanceof XapiError)) throw error
      const { explain } = await import('./explain.ts')
      remark(await explain(error, new Tables(caller)))
      return 1
    }
  })
}

/** All commands, or how one is used. */
async function help(commands: ReadonlyMap<string, Command>, { command, flags }: CommandLine): Promise<number> {
  const asked = flags.has('help') ? commands.get(command) : undefined
  if (asked !== undefined) {
    await print(`usage: xe ${asked.usage}\n`)
    return 0
  }
  const usages = [...commands.values()].map(({ usage }) => `  xe ${usage}\n`)
  await print(`usage: xe [OPTIONS] COMMAND [KEY=VALUE ...] [--minimal]

Without -s the toolstack is the one of SM_XAPI_URL, else the one on the local socket, else one started for the command.
  -s HOST, -p PORT     server, by HTTPS on port 443
  -u USER              user name; default root
  -pw PASSWORD, -pwf FILE
  --ca-file FILE       certificate of the authority that signed the server's
  --pin-sha256 HEX     accept the certificate with this SHA-256 fingerprint, whoever signed it
  --insecure           accept any certificate

${usages.join('')}`)
  return 0
}
