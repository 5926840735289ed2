import path from 'node:path'
import type { System } from '../../../lib/os/system.ts'
import type { LvmHost } from '../../support/LvmWorld.ts'
import { agentSystem } from './posixSpawn.ts'

/** A volume group on a loop device of the guest, by LVM itself. */
export class LoopLvm implements LvmHost {
  readonly #device: string

  constructor(device: string) {
    this.#device = device
  }

  system(): System {
    return agentSystem()
  }

  async save(directory: string): Promise<void> {
    await this.#deactivate()
    await this.#copy(await this.#backing(), path.join(directory, 'disk'))
  }

  async restore(directory: string): Promise<void> {
    await this.#deactivate()
    await this.#copy(path.join(directory, 'disk'), await this.#backing())
    // What the kernel remembers of the device is older now than its file.
    await agentSystem().run(['blockdev', '--flushbufs', this.#device])
  }

  /** Whatever a plugin that was killed has left mapped. */
  async #deactivate(): Promise<void> {
    await agentSystem().run(['sh', '-c', 'dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*'])
  }

  async #copy(from: string, to: string): Promise<void> {
    await agentSystem().run(['cp', '--sparse=always', from, to])
  }

  async #backing(): Promise<string> {
    const argv = ['losetup', '--noheadings', '--output', 'BACK-FILE', this.#device] as const
    return (await agentSystem().run(argv)).stdout.trim()
  }
}
