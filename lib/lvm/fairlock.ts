import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrno } from '../os/files.ts'
import type { LvmDeps } from './Lvm.ts'

type Deps = Pick<LvmDeps, 'system' | 'paths'>

const SERVICE = 'fairlock@devicemapper.service'
/** Where a host has the service, if it has it. */
const UNIT = '/usr/lib/systemd/system/fairlock@.service'
const SOCKET_WAIT_MS = 2000
const POLL_MS = 20

/**
 * Runs `body` while this process has the host's `devicemapper` lock (spec lvhd 11): one LVM or dmsetup process at a time on
 * the host, first come first served. A host without the lock's service goes without; LVM's own locks remain.
 */
export async function withFairlock<T>(deps: Deps, body: () => Promise<T>): Promise<T> {
  const held = await acquire(deps)
  try {
    return await body()
  } finally {
    held?.destroy()
  }
}

async function acquire(deps: Deps): Promise<Socket | undefined> {
  for (;;) {
    const socket = (await connected(deps)) ?? (await startService(deps))
    if (socket === undefined) return undefined
    // Before its turn comes the server may stop; whoever waits then asks the next server.
    if (await isGranted(socket)) {
      socket.write(`${process.pid} - ${performance.now() / 1000}`)
      return socket
    }
  }
}

/** Undefined where nobody serves the socket. */
async function connected({ paths }: Deps): Promise<Socket | undefined> {
  const socket = connect(paths.deviceMapperLock)
  try {
    await once(socket, 'connect')
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ECONNREFUSED')) return undefined
    throw error
  }
  // Closing is how the lock is given back; what happens to the connection meanwhile is of no interest.
  socket.on('error', () => undefined)
  return socket
}

/** Starts the lock's service and connects; undefined on a host that does not have it. Throws where it does not come up. */
async function startService(deps: Deps): Promise<Socket | undefined> {
  const { paths, system } = deps
  if (!paths.isHost || !(await system.files.exists(UNIT))) return undefined
  await system.run(['/usr/bin/systemctl', 'start', SERVICE], { changes: false })
  for (let waited = 0; waited < SOCKET_WAIT_MS; waited += POLL_MS) {
    const socket = await connected(deps)
    if (socket !== undefined) return socket
    await sleep(POLL_MS)
  }
  throw new Error(`${SERVICE} does not serve ${paths.deviceMapperLock}`)
}

/** Waits for the turn: the first bytes grant the lock, an end without any is the server's. */
async function isGranted(socket: Socket): Promise<boolean> {
  return new Promise(resolve => {
    socket.once('data', () => {
      resolve(true)
    })
    socket.once('close', () => {
      resolve(false)
    })
  })
}
