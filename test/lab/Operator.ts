import type { Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import type { AnyWorld } from './RemoteWorld.ts'

/**
 * What a guest needs for a disk as `/dev/nbdN`. LVM may not look at these: a command that waits for a paused disk would
 * never let it be resumed.
 */
export const SETUP = "lvm_setup '^/dev/loop'; modules nbd"

/** Works with the disks of a world in a guest by `sm`, on the world's own toolstack. */
export class Operator {
  readonly #guest: Guest
  readonly #environment: string

  constructor(guest: Guest, world: Pick<AnyWorld, 'root'>) {
    this.#guest = guest
    const root = `${world.root}/sm`
    this.#environment = `SM_ROOT=${root} SM_XAPI_URL=unix:${root}/var/lib/xcp/xapi SM_LOG=/tmp/sm.log`
  }

  /** Runs `sm`; words are a shell's. */
  sm(...words: readonly string[]): Promise<string> {
    return this.#guest.run(`${this.#environment} /project/bin/sm ${words.join(' ')}`)
  }

  /** Opens a disk by the kernel's client; returns its block device. */
  async attach(disk: Disk, ...options: readonly string[]): Promise<string> {
    return (await this.sm('vdi-attach', '--device', ...options, disk.uuid)).trim()
  }

  async detach(disk: Disk, device: string): Promise<void> {
    await this.sm('vdi-detach', disk.uuid, '--device', device)
  }
}

/** The process that serves a disk, and what it says of itself. */
export async function serverOf(guest: Guest, world: Pick<AnyWorld, 'root'>, disk: Disk): Promise<{ pid: number }> {
  return JSON.parse(await guest.run(`cat ${world.root}/sm/run/sm/datapath/${disk.uuid}.json`)) as { pid: number }
}

/** How many images or volumes a process has open. */
export async function openImages(guest: Guest, pid: number): Promise<number> {
  return Number(
    await guest.run(`ls -l /proc/${pid}/fd | grep -c -e '\\.vhd$' -e /dev/dm- -e /dev/mapper/ -e /dev/VG_ || true`),
  )
}
