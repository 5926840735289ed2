import path from 'node:path'
import type { System } from '../../../lib/os/system.ts'
import type { LvmHost } from '../../support/LvmWorld.ts'
import { agentSystem } from './posixSpawn.ts'

/** File of the first disk of the guest's SCSI target (`target_disk 0`). */
const IMAGE = '/tmp/target-0.img'
/** What a plugin that was killed has left mapped, and what the kernel remembers of the disks. */
const CLEAN = `
  dmsetup remove_all --force
  rm -rf /dev/VG_XenStorage-*
  for disk in /dev/sd?; do if [ -b "$disk" ]; then blockdev --flushbufs "$disk"; fi; done`

/** A volume group on a LUN whose target is in this guest as well. */
export class TargetLvm implements LvmHost {
  system(): System {
    return agentSystem()
  }

  save(directory: string): Promise<void> {
    return this.#copy(IMAGE, path.join(directory, 'disk'))
  }

  restore(directory: string): Promise<void> {
    return this.#copy(path.join(directory, 'disk'), IMAGE)
  }

  async #copy(from: string, to: string): Promise<void> {
    const { run } = agentSystem()
    await run(['sh', '-c', CLEAN])
    await run(['cp', '--sparse=always', from, to])
    await run(['sh', '-c', CLEAN])
  }
}
