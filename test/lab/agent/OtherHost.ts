import { mkdirSync, readdirSync, readlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { encodeMethodCall, encodeMethodResponse, type XmlInput } from '../../../lib/smapi/xmlrpc.ts'
import { projectRoot } from '../../support/World.ts'
import { runInAgent } from './runInAgent.ts'

const ROOT = '/tmp/other-host'
/** Where the host plugins of `test/lab/host-plugins` ask. */
const PORT = 7000

export interface OtherHostOptions {
  /** Of the toolstack of the pool's master. */
  readonly url: string
}

/** A host of a pool that is not its master: plugins run here, the database is there. */
export class OtherHost {
  readonly #url: string
  readonly #server: Server

  private constructor(url: string, server: Server) {
    this.#url = url
    this.#server = server
  }

  static async start({ url }: OtherHostOptions): Promise<OtherHost> {
    mkdirSync(ROOT)
    const server = createServer(answerPluginCall)
    await new Promise<void>(resolve => server.listen(PORT, resolve))
    return new OtherHost(url, server)
  }

  get root(): string {
    return ROOT
  }

  /** Runs a plugin with the members of its request; returns its answer document. */
  async run(plugin: string, command: string, members: Record<string, XmlInput>): Promise<string> {
    const environment = { PATH: process.env['PATH'] ?? '', ORIGINATOR: 'SM', SM_ROOT: ROOT, SM_XAPI_URL: this.#url }
    const program = path.join(projectRoot, 'bin', plugin)
    const { stdout } = await runInAgent(program, encodeMethodCall(command, [members]), {
      ...environment,
      SM_LOG: '/tmp/SMlog',
    })
    return stdout.toString()
  }

  async close(): Promise<void> {
    await new Promise(resolve => this.#server.close(resolve))
  }
}

/**
 * Answers `on-slave`'s is_open, whether a process of this host has the disk's image open, and `tapdisk-pause`: no tapdisk
 * serves it here, so there is none that would not pause.
 */
function answerPluginCall(socket: Socket): void {
  let call = ''
  socket.on('data', chunk => {
    call += chunk.toString()
    if (!call.endsWith('\0')) return
    const name = /<methodName>(\w+)</.exec(call)?.[1]
    const uuid = /<name>vdiUuid<\/name>\s*<value>(?:<string>)?([0-9a-f-]{36})/.exec(call)?.[1]
    const isTrue = name === 'is_open' ? uuid !== undefined && isOpen(`/${uuid}.vhd`) : name !== undefined
    socket.end(encodeMethodResponse(isTrue ? 'True' : 'False'))
  })
}

function isOpen(ending: string): boolean {
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return processes.some(pid => openFilesOf(pid).some(file => file.endsWith(ending)))
}

function openFilesOf(pid: string): string[] {
  const directory = `/proc/${pid}/fd`
  try {
    return readdirSync(directory).flatMap(fd => {
      try {
        return [readlinkSync(path.join(directory, fd))]
      } catch {
        return [] // Closed meanwhile.
      }
    })
  } catch {
    return [] // Ended meanwhile.
  }
}
