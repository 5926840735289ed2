import { CommanderError } from 'commander'
import { explainFailure } from './explain.ts'
import { Refused } from './failures.ts'
import { Interrupted } from './interrupt.ts'
import { endWithoutOutput } from './output.ts'
import { buildProgram } from './program.ts'

const FAILED = 1
const WRONG_USAGE = 2

/** Runs the command line and returns the exit code: 0 done, 1 failed, 2 wrong usage, 128 and more: interrupted. */
export async function main(argv: readonly string[]): Promise<number> {
  endWithoutOutput('sm')
  try {
    await buildProgram().parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' })
    return 0
  } catch (error) {
    // Commander has said what it had to say; asking for help is no mistake.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE
    if (error instanceof Refused) return FAILED
    if (error instanceof Interrupted) return error.exitCode
    return report(error)
  }
}

async function report(error: unknown): Promise<number> {
  const { message, advice, isUsage } = await explainFailure(error)
  const lines = advice.map(line => `${line}\n`).join('')
  process.stderr.write(`sm: ${message}\n${lines}`)
  return isUsage ? WRONG_USAGE : FAILED
}
