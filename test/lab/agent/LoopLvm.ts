import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { Effects } from '../../../lib/os/effects.ts'
import { makeSystem, type System } from '../../../lib/os/system.ts'
import type { LvmHost } from '../../support/LvmWorld.ts'

/** A volume group on a loop device of the guest, by LVM itself. */
export class LoopLvm implements LvmHost {
  readonly #device: string

  constructor(device: string) {
    this.#device = device
  }

  system(): System {
    return makeSystem(new Effects(''))
  }

  save(directory: string): Promise<void> {
    this.#deactivate()
    this.#copy(this.#backing(), path.join(directory, 'disk'))
    return Promise.resolve()
  }

  restore(directory: string): Promise<void> {
    this.#deactivate()
    this.#copy(path.join(directory, 'disk'), this.#backing())
    // What the kernel remembers of the device is older now than its file.
    execFileSync('blockdev', ['--flushbufs', this.#device])
    return Promise.resolve()
  }

  /** Whatever a plugin that was killed has left mapped. */
  #deactivate(): void {
    execFileSync('sh', ['-c', 'dmsetup remove_all --force; rm -rf /dev/VG_XenStorage-*'])
  }

  #copy(from: string, to: string): void {
    execFileSync('cp', ['--sparse=always', from, to])
  }

  #backing(): string {
    return execFileSync('losetup', ['--noheadings', '--output', 'BACK-FILE', this.#device], { encoding: 'utf8' }).trim()
  }
}
