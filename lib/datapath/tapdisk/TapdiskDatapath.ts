import path from 'node:path'
import type { Logger } from '../../os/log.ts'
import type { Paths } from '../../os/paths.ts'
import type { System } from '../../os/system.ts'
import { SmError } from '../../smapi/SmError.ts'
import type { ActiveDisk, Datapath, Resumption, Serving } from '../Datapath.ts'
import { linkNames, phyLink, targetOf } from '../links.ts'
import { isPaused, isRunning, type TapCtl, type Tapdisk } from './TapCtl.ts'

/** The name of a tapdisk's NBD socket, which tells process and minor. */
const SOCKET_NAME = /^nbd(\d+)\.(\d+)$/

/** Whether a socket is a tapdisk's (spec datapath 3). */
export function isTapdiskSocket(socket: string): boolean {
  return SOCKET_NAME.test(path.basename(socket))
}

/** Serves active disks by blktap's tapdisk, one process each (spec datapath 6). */
export class TapdiskDatapath implements Datapath {
  readonly #system: System
  readonly #log: Logger
  readonly #tapCtl: TapCtl
  readonly #paths: Paths

  constructor(options: { system: System; log: Logger; paths: Paths; tapCtl: TapCtl }) {
    this.#system = options.system
    this.#log = options.log
    this.#tapCtl = options.tapCtl
    this.#paths = options.paths
  }

  async open(disk: ActiveDisk): Promise<string> {
    const [running] = await this.#tapCtl.list({ path: disk.path })
    if (running !== undefined) {
      throw new SmError('TapdiskAlreadyRunning', `${disk.path} is served by process ${running.pid}`)
    }
    const undo: (() => Promise<unknown>)[] = []
    try {
      const minor = await this.#tapCtl.allocate()
      undo.unshift(() => this.#tapCtl.free(minor))
      const pid = await this.#tapCtl.spawn()
      undo.unshift(() => this.#system.run(['/bin/kill', '-TERM', String(pid)], { okExitCodes: [0, 1] }))
      await this.#classify(pid)
      await this.#tapCtl.attach(pid, minor)
      undo.unshift(() => this.#tapCtl.detach(pid, minor))
      await this.#tapCtl.open({ pid, minor }, disk)
      return this.#socketOf(pid, minor)
    } catch (error) {
      for (const step of undo) {
        await step().catch((second: unknown) => {
          this.#log.error(`undoing the start of a tapdisk for ${disk.path}: ${String(second)}`)
        })
      }
      throw error
    }
  }

  async close(socket: string): Promise<void> {
    const tapdisk = await this.#find(socket)
    // A minor that this process does not have any more may be another disk's by now.
    if (tapdisk === undefined) return
    if (tapdisk.path !== '') await this.#tapCtl.close(tapdisk.pid, tapdisk.minor)
    await this.#tapCtl.detach(tapdisk.pid, tapdisk.minor)
    await this.#tapCtl.free(tapdisk.minor)
  }

  async pause(socket: string): Promise<void> {
    const tapdisk = await this.#require(socket)
    if (!isRunning(tapdisk)) throw new SmError('TapdiskFailed', `the tapdisk of ${tapdisk.path} is paused already`)
    await this.#tapCtl.pause(tapdisk.pid, tapdisk.minor)
  }

  async unpause(socket: string, resumption: Resumption): Promise<void> {
    const tapdisk = await this.#require(socket)
    if (!isPaused(tapdisk)) throw new SmError('TapdiskFailed', `the tapdisk of ${tapdisk.path} is not paused`)
    await this.#tapCtl.unpause(tapdisk, resumption)
  }

  async serving(socket: string): Promise<Serving | undefined> {
    const tapdisk = await this.#find(socket)
    return tapdisk === undefined || tapdisk.path === ''
      ? undefined
      : { path: tapdisk.path, isPaused: !isRunning(tapdisk) }
  }

  /** The host's own name for the image is placed before anything serves it: what has that open is this VDI's. */
  async unlinkedSocket(srUuid: string, vdiUuid: string): Promise<string | undefined> {
    const image = await targetOf(this.#system.files, phyLink(this.#paths, srUuid, vdiUuid))
    if (image === undefined) return undefined
    const [left] = (await this.#tapCtl.list({ path: image })).filter(tapdisk => tapdisk.path === image)
    return left === undefined ? undefined : this.#socketOf(left.pid, left.minor)
  }

  /** Other tapdisks are not looked at: they serve storage of other managers, too. */
  async closeOrphans(srUuid: string, known: ReadonlySet<string>): Promise<void> {
    for (const vdiUuid of await linkNames(this.#system.files, this.#paths.devPhy, srUuid)) {
      const left = await this.unlinkedSocket(srUuid, vdiUuid)
      if (left !== undefined && !known.has(left)) await this.close(left)
    }
  }

  #socketOf(pid: number, minor: number): string {
    return path.join(path.dirname(this.#paths.nbdLinks), `nbd${pid}.${minor}`)
  }

  async #require(socket: string): Promise<Tapdisk> {
    const tapdisk = await this.#find(socket)
    if (tapdisk === undefined || tapdisk.path === '')
      throw new SmError('TapdiskFailed', `there is no tapdisk for ${socket} any more`)
    return tapdisk
  }

  async #find(socket: string): Promise<Tapdisk | undefined> {
    const { pid, minor } = identify(socket)
    return (await this.#tapCtl.list({ minor })).find(tapdisk => tapdisk.minor === minor && tapdisk.pid === pid)
  }

  /** A host that does not share out its memory by groups has no such command. */
  async #classify(pid: number): Promise<void> {
    await this.#system.run(['cgclassify', String(pid)]).catch((error: unknown) => {
      this.#log.debug(`tapdisk ${pid} stays in the group of this process: ${String(error)}`)
    })
  }
}

/** Throws SmError TapdiskFailed for what is no tapdisk's socket. */
function identify(socket: string): { pid: number; minor: number } {
  const found = SOCKET_NAME.exec(path.basename(socket))
  if (found === null) throw new SmError('TapdiskFailed', `${socket} is not the socket of a tapdisk`)
  return { pid: Number(found[1]), minor: Number(found[2]) }
}
