import * as net from 'node:net'
import { reachableSocket } from '../../os/socket-path.ts'
import { type ControlAnswer, type ControlRequest, readLines } from './control.ts'

/** Asks the server of a disk and waits for its answer. Throws ENOENT or ECONNREFUSED where nobody serves, EPIPE where it ends meanwhile. */
export async function askServer(control: string, request: ControlRequest): Promise<ControlAnswer> {
  const reachable = reachableSocket(control)
  try {
    return await new Promise((resolve, reject) => {
      const socket = net.connect(reachable.path)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.write(`${JSON.stringify(request)}\n`)
      })
      socket.once('close', () => {
        reject(Object.assign(new Error(`${control} does not answer`), { code: 'EPIPE' }))
      })
      readLines(socket, line => {
        resolve(JSON.parse(line) as ControlAnswer)
        socket.destroy()
      })
    })
  } finally {
    reachable.release()
  }
}
