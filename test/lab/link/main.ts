// A stretch of network between an NFS client and a server of one guest, in a thread of its own: the thread that loses the
// server may be waiting for it.
import { connect, createServer, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { LinkState, type LinkData } from './protocol.ts'

const { port, serverPort, state } = workerData as LinkData
/** After so long a connection on which something was lost is ended. */
const SILENCE_MS = 1000

const current = (): number => Atomics.load(state, 0)

const server = createServer(client => {
  const connection = { client, server: connect(serverPort, '127.0.0.1'), isSpoilt: false }
  client.on('data', chunk => {
    pass(connection, connection.server, chunk, current() === LinkState.whole || current() === LinkState.mute)
  })
  connection.server.on('data', chunk => {
    pass(connection, client, chunk, current() === LinkState.whole)
  })
  for (const socket of [client, connection.server]) {
    socket.on('error', () => {
      end(connection)
    })
    socket.on('close', () => {
      end(connection)
    })
  }
})
server.listen(port, '127.0.0.1', () => parentPort?.postMessage('listening'))

interface Connection {
  readonly client: Socket
  readonly server: Socket
  /** Something was lost, so what would come after it makes no sense to either side. */
  isSpoilt: boolean
}

function pass(connection: Connection, to: Socket, chunk: Buffer, isOpen: boolean): void {
  if (!isOpen && !connection.isSpoilt) spoil(connection)
  else if (!connection.isSpoilt) to.write(chunk)
  else if (current() === LinkState.whole) end(connection)
}

/** A client of NFS 4 waits for an answer as long as the connection is there; TCP gives up a silent peer in the end. */
function spoil(connection: Connection): void {
  connection.isSpoilt = true
  setTimeout(() => {
    end(connection)
  }, SILENCE_MS)
}

function end({ client, server: behind }: Connection): void {
  client.destroy()
  behind.destroy()
}
