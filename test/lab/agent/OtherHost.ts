import { mkdirSync, readdirSync, readlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { encodeMethodCall, encodeMethodResponse, type XmlInput } from '../../../lib/smapi/xmlrpc.ts'
import type { PluginQuestion } from '../../support/otherHosts.ts'
import { projectRoot } from '../../support/World.ts'
import { runInAgent } from './runInAgent.ts'

/** What `SM_ROOT` is below, as in a world: the host may become the master. */
const HOME = '/tmp/other-host'
const ROOT = `${HOME}/sm`
/** Where the pool's master asks. */
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
    mkdirSync(ROOT, { recursive: true })
    const server = createServer(socket => {
      answerPluginCall(socket, url)
    })
    await new Promise<void>(resolve => server.listen(PORT, resolve))
    return new OtherHost(url, server)
  }

  get root(): string {
    return ROOT
  }

  get home(): string {
    return HOME
  }

  /** Runs a plugin with the members of its request; returns its answer document. */
  async run(plugin: string, command: string, members: Record<string, XmlInput>): Promise<string> {
    return runPlugin(plugin, encodeMethodCall(command, [members]), this.#url)
  }

  async close(): Promise<void> {
    await new Promise(resolve => this.#server.close(resolve))
  }
}

async function runPlugin(plugin: string, document: string, url: string): Promise<string> {
  const environment = { PATH: process.env['PATH'] ?? '', ORIGINATOR: 'SM', SM_ROOT: ROOT, SM_XAPI_URL: url }
  const program = path.join(projectRoot, 'bin', plugin)
  const { stdout } = await runInAgent(program, document, { ...environment, SM_LOG: '/tmp/SMlog' })
  return stdout.toString()
}

/** A zero byte ends a call. One that names its plugin is answered by that plugin of ours, others by `answerOnFile`. */
function answerPluginCall(socket: Socket, url: string): void {
  let call = ''
  socket.on('data', chunk => {
    call += chunk.toString()
    if (!call.endsWith('\0')) return
    const text = call.slice(0, -1)
    if (!text.startsWith('{')) {
      socket.end(answerOnFile(text))
      return
    }
    const { plugin, document } = JSON.parse(text) as PluginQuestion
    runPlugin(plugin, document, url).then(
      answer => socket.end(answer),
      (error: unknown) => socket.destroy(error instanceof Error ? error : new Error(String(error))),
    )
  })
}

/**
 * Answers `on-slave`'s is_open, whether a process of this host has the disk's image open, and `tapdisk-pause`: no tapdisk
 * serves it here, so there is none that would not pause.
 */
function answerOnFile(call: string): string {
  const name = /<methodName>(\w+)</.exec(call)?.[1]
  const uuid = /<name>vdiUuid<\/name>\s*<value>(?:<string>)?([0-9a-f-]{36})/.exec(call)?.[1]
  const isTrue = name === 'is_open' ? uuid !== undefined && isOpen(`/${uuid}.vhd`) : name !== undefined
  return encodeMethodResponse(isTrue ? 'True' : 'False')
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
