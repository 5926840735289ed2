import { makeSystem, type System } from '../../../lib/os/system.ts'
import { Effects } from '../../../lib/os/effects.ts'
import { main } from '../../../vhd-util/main.ts'

export interface Outcome {
  readonly exitCode: number
  readonly stdout: string
  readonly bytes: Buffer
  readonly stderr: string
}

export interface RunOptions {
  readonly system?: Partial<System>
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a command line of the tool in this process. */
export async function vhdUtil(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const out: Buffer[] = []
  const err: string[] = []
  const exitCode = await main(argv, {
    system: { ...makeSystem(new Effects('')), ...options.system },
    out: data => {
      out.push(Buffer.from(data))
      return Promise.resolve()
    },
    err: text => {
      err.push(text)
      return Promise.resolve()
    },
    env: options.env ?? {},
  })
  const bytes = Buffer.concat(out)
  return { exitCode, stdout: bytes.toString('utf8'), bytes, stderr: err.join('') }
}
