import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { projectRoot } from '../support/World.ts'

/** How the image is stored that a server serves. */
export type Kind = 'vhd' | 'raw'

export interface NbdServer {
  readonly name: string
  readonly program: string
  readonly kind: Kind
  readonly serve: (image: string, folder: string) => Promise<Served>
}

interface Served {
  readonly uri: string
  readonly stop: () => Promise<void>
}

const START_TRIES = 500
const START_WAIT_MS = 10

export const servers: readonly NbdServer[] = [
  {
    name: 'sm-nbd, VHD',
    program: path.join(projectRoot, 'bin', 'sm-nbd'),
    kind: 'vhd',
    serve: (image, folder) => {
      const inFolder = (extension: string) => path.join(folder, `server.${extension}`)
      const document = JSON.stringify({
        name: 'disk',
        srUuid: 'bench',
        socket: inFolder('sock'),
        control: inFolder('ctl'),
        registration: inFolder('json'),
        path: image,
        limit: { boundary: folder },
        type: 'vhd',
        readOnly: false,
        writeThrough: false,
      })
      return start(path.join(projectRoot, 'bin', 'sm-nbd'), [document], inFolder('sock'))
    },
  },
  {
    name: 'qemu-nbd, the same VHD',
    program: 'qemu-nbd',
    kind: 'vhd',
    serve: (image, folder) => {
      const socket = path.join(folder, 'qemu.sock')
      return start('qemu-nbd', ['-f', 'vpc', '-k', socket, '-t', '-x', 'disk', image], socket)
    },
  },
  {
    name: 'nbdkit, a raw file',
    program: 'nbdkit',
    kind: 'raw',
    serve: (image, folder) => {
      const socket = path.join(folder, 'nbdkit.sock')
      return start('nbdkit', ['-f', '-U', socket, 'file', image], socket)
    },
  },
]

/** Runs a server in the foreground until it is stopped. Throws where it does not listen. */
async function start(program: string, args: readonly string[], socket: string): Promise<Served> {
  rmSync(socket, { force: true })
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'close')
  for (let tries = 0; !existsSync(socket); tries += 1) {
    if (child.exitCode !== null || tries === START_TRIES) throw new Error(`${program} does not listen`)
    await sleep(START_WAIT_MS)
  }
  return {
    uri: `nbd+unix:///disk?socket=${socket}`,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}
