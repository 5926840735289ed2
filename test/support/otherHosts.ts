import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Outcome } from '../../lib/toolstack/storage/Executor.ts'

/** Where another host of a pool runs its host plugins. */
export interface OtherAddress {
  readonly host: string
  readonly port: number
}

/** One call of a host plugin on its way; a zero byte ends it. */
export interface PluginQuestion {
  readonly plugin: string
  readonly document: string
}

/** Has another host run one of its host plugins. Rejects where it is not reached. */
export async function callOtherHost(address: OtherAddress, plugin: string, document: string): Promise<Outcome> {
  const socket = connect({ ...address, timeout: 10_000 })
  socket.on('timeout', () => socket.destroy(new Error(`${address.host} does not answer`)))
  await once(socket, 'connect')
  socket.setTimeout(0)
  socket.write(`${JSON.stringify({ plugin, document } satisfies PluginQuestion)}\0`)
  const answer = await text(socket)
  if (answer === '') throw new Error(`${address.host} has closed the connection`)
  return { exitCode: 0, signal: undefined, stdout: Buffer.from(answer), stderr: Buffer.alloc(0) }
}
