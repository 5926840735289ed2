import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { decodeMethodResponse, type XmlInput } from '../../lib/smapi/xmlrpc.ts'
import type { Disk } from '../support/World.ts'
import { Guest, type RemoteObject } from './Guest.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'
import { Switch } from './Switch.ts'

const TOOLSTACK_PORT = 8080
const PLUGIN_PORT = 7000
const ADDRESS = { target: '10.77.0.1', master: '10.77.0.2', second: '10.77.0.3' }
const TARGET = 'iqn.2026-01.org.example:pool'
const NAMES = { master: 'iqn.2026-01.org.example:one', second: 'iqn.2026-01.org.example:two' }
const MEMORY_MIB = 1024

/** `device_config` of the SR. */
export const POOL_CONFIG = {
  target: ADDRESS.target,
  targetIQN: TARGET,
  SCSIid: '36001405aaaa000100004000800000000',
}

/** A pool of two hosts, the master and another, with one SR on a LUN of a third machine. */
export class Pool {
  readonly master: Guest
  readonly second: Guest
  /** The SR, as the master has it. */
  world: AnyWorld
  /** The plugins of the second host. */
  readonly other: RemoteObject
  /** Reference of the second host. */
  readonly otherRef: string
  readonly #rest: { readonly target: Guest; readonly network: Switch; readonly scratch: string }

  private constructor(
    guests: { readonly master: Guest; readonly second: Guest },
    pool: { readonly world: AnyWorld; readonly other: RemoteObject; readonly otherRef: string },
    rest: { readonly target: Guest; readonly network: Switch; readonly scratch: string },
  ) {
    this.master = guests.master
    this.second = guests.second
    this.world = pool.world
    this.other = pool.other
    this.otherRef = pool.otherRef
    this.#rest = rest
  }

  /** Boots three machines and attaches the SR on both hosts. */
  static async start(): Promise<Pool> {
    const scratch = await fs.mkdtemp(path.join(tmpdir(), 'sm-lab-test-'))
    const network = await Switch.start(scratch)
    const boot = (name: string, place: number) =>
      Guest.boot({ name, memoryMib: MEMORY_MIB, network: { socket: network.socket, place } })
    const [target, master, second] = await Promise.all([boot('target', 1), boot('one', 2), boot('two', 3)])
    await target.run(`
      target_start
      target_disk 0 512M aaaa0001-0000-4000-8000-0000000000a1
      iscsi_target ${TARGET} ${ADDRESS.target}:3260 0`)
    await Promise.all([master, second].map(host => host.run("lvm_setup '^/dev/sd'; udev_scsi_only; iscsi_host")))
    const world = await createRemoteWorld(master, {
      type: 'lvhdoiscsi',
      deviceConfig: POOL_CONFIG,
      hostConfig: { iscsi_iqn: NAMES.master },
      listen: { host: '0.0.0.0', port: TOOLSTACK_PORT },
      hostPluginDir: 'bin',
    })
    const address = { host: ADDRESS.second, port: PLUGIN_PORT }
    const otherRef = await world.addHost({ address, otherConfig: { iscsi_iqn: NAMES.second } })
    const other = await second.make('OtherHost', { url: `http://${ADDRESS.master}:${TOOLSTACK_PORT}` })
    await world.addConnection(otherRef)
    return new Pool({ master, second }, { world, other, otherRef }, { target, network, scratch })
  }

  /** What a command of the second host's plugin answers: `value` or `fault`. */
  async there(command: string, vdi?: Disk, members: Record<string, XmlInput> = {}) {
    const asOther = { host_ref: this.otherRef, ...members }
    const request = await this.world.request(command, vdi, asOther, { SRmaster: 'false' })
    return decodeMethodResponse(String(await this.other.ask('run', 'LVHDoISCSISR', command, request)))
  }

  /** Runs commands on a disk there, which must work. */
  async thereOk(vdi: Disk, ...commands: readonly string[]): Promise<void> {
    for (const command of commands) {
      const answer = await this.there(command, vdi, { args: ['true'] })
      if ('fault' in answer) throw new Error(`${command} there: ${answer.fault.code} ${answer.fault.message}`)
    }
  }

  /** SHA-256 of what a guest on the second host reads of a disk that is active there. */
  async readThere(vdi: Disk): Promise<string> {
    const socket = `${this.other.facts['root'] ?? ''}/run/blktap-control/nbd/${this.world.srUuid}/${vdi.uuid}`
    const sum = await this.second.run(`
      modules nbd
      nbd-client -unix "$(readlink -f ${socket})" -N ${vdi.uuid} /dev/nbd0 >/dev/null 2>&1
      sha256sum /dev/nbd0
      nbd-client -d /dev/nbd0 >/dev/null`)
    return sum.slice(0, 64)
  }

  /** The master is gone between two instructions; the second host goes on with the database. */
  async succeed(): Promise<void> {
    const database = await this.world.database()
    await this.master.powerCut()
    this.world = await createRemoteWorld(this.second, {
      type: 'lvhdoiscsi',
      deviceConfig: POOL_CONFIG,
      hostPluginDir: 'bin',
      succession: { database, host: this.otherRef, root: this.other.facts['home'] ?? '' },
    })
  }

  async close(): Promise<void> {
    const { target, network, scratch } = this.#rest
    for (const guest of [this.master, this.second, target]) await guest.powerCut()
    await network.stop()
    await fs.rm(scratch, { recursive: true })
  }
}
