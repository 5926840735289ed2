import * as fs from 'node:fs'
import path from 'node:path'

/** Longest path the kernel takes in a `sockaddr_un`, its terminating zero byte not counted. */
const maxSocketPathBytes = 107

/** A name for a unix socket that the kernel accepts; valid until it is released. */
export interface ReachableSocket {
  readonly path: string
  release(): void
}

/**
 * A path that can be given to `connect` or `listen` for a socket of any path length: a socket deep in a tree is
 * named through a descriptor of its directory. Throws the system's error where the directory cannot be opened.
 */
export function reachableSocket(socketPath: string): ReachableSocket {
  if (Buffer.byteLength(socketPath) <= maxSocketPathBytes) return { path: socketPath, release: () => undefined }
  const directory = fs.openSync(path.dirname(socketPath), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  return {
    path: `/proc/self/fd/${directory}/${path.basename(socketPath)}`,
    release: once(() => {
      fs.closeSync(directory)
    }),
  }
}

/** A descriptor number may belong to somebody else after the first close, so a second one must do nothing. */
function once(action: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    action()
  }
}
