import { connect } from 'node:net'

const TIMEOUT_MS = 5000

/**
 * Connects to a port, sends a newline, without which some servers stay with the connection, and closes.
 * Throws errno errors, Error where nobody answers in time.
 */
export async function tryPort(host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port })
    const refuse = (error: Error) => {
      socket.destroy()
      reject(error)
    }
    socket.setTimeout(TIMEOUT_MS, () => {
      refuse(new Error(`${host}:${port} does not answer`))
    })
    socket.on('error', refuse)
    socket.on('connect', () => {
      socket.end('\n', resolve)
    })
  })
}
