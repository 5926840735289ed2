import type { Paths } from '../../os/paths.ts'
import type { System } from '../../os/system.ts'
import type { DiskImage, WritableDiskImage } from '../../vhd/DiskImage.ts'
import { BackendError } from '../storage/errors.ts'
import type { Dbg, Storage, VdiPlace } from '../storage/Storage.ts'

/** How long a copy waits for the lock of an SR that keeps disks as files, in milliseconds. */
const lockWaitMs = 60_000

/** A disk to copy from or to. */
export interface CopyEnd extends VdiPlace {
  /** Type of the SR. */
  readonly type: string
  readonly uuid: string
}

export interface CopierEnvironment {
  readonly system: System
  readonly paths: Paths
  readonly storage: Storage
}

/** SRs whose disks are VHD files below the SR's mount point. */
const fileTypes: ReadonlySet<string> = new Set(['file', 'ext', 'nfs'])

/**
 * Copies the contents of disks without a guest (spec toolstack 9, VDI.copy): images of file SRs are read and written as
 * such under the SR's lock, others are attached through their driver.
 */
export class DiskCopier {
  readonly #environment: CopierEnvironment

  constructor(environment: CopierEnvironment) {
    this.#environment = environment
  }

  /** Makes the beginning of `to` read as `from`. Throws BackendError, Unimplemented, VhdError, SmError LockErr. */
  async copy(dbg: Dbg, from: CopyEnd, to: CopyEnd): Promise<void> {
    const locked = [...new Set([from, to].filter(({ type }) => fileTypes.has(type)).map(({ sr }) => sr))]
    await this.#locking(locked, () =>
      this.#reading(dbg, from, source =>
        this.#writing(dbg, to, async target => {
          const { copyDisk } = await import('../../disk/copyDisk.ts')
          await copyDisk(source, target)
        }),
      ),
    )
  }

  /** In one order, so that two copies never wait for each other. */
  async #locking(srs: readonly string[], body: () => Promise<void>): Promise<void> {
    const { LockManager } = await import('../../lock/Lock.ts')
    const { paths, system } = this.#environment
    const locks = new LockManager(paths, system.effects)
    try {
      for (const sr of [...srs].sort()) await locks.lock(sr, 'sr', { timeoutMs: lockWaitMs })
      await body()
    } finally {
      await locks.releaseAll()
    }
  }

  async #reading(dbg: Dbg, end: CopyEnd, body: (image: DiskImage) => Promise<void>): Promise<void> {
    const { files } = this.#environment.system
    if (fileTypes.has(end.type)) {
      const { openImage } = await import('../../vhd/openImage.ts')
      const { file, boundary } = this.#imageOf(end)
      await closing(await openImage(files, file, { boundary }), body)
      return
    }
    const { openRaw } = await import('../../vhd/RawImage.ts')
    await this.#attached(dbg, { end, write: false }, async device => closing(await openRaw(files, device, false), body))
  }

  async #writing(dbg: Dbg, end: CopyEnd, body: (image: WritableDiskImage) => Promise<void>): Promise<void> {
    const { files } = this.#environment.system
    if (fileTypes.has(end.type)) {
      const { openImage } = await import('../../vhd/openImage.ts')
      const { file, boundary } = this.#imageOf(end)
      await closing(await openImage(files, file, { boundary, write: true }), body)
      return
    }
    const { openRaw } = await import('../../vhd/RawImage.ts')
    await this.#attached(dbg, { end, write: true }, async device => closing(await openRaw(files, device, true), body))
  }

  #imageOf({ sr, uuid }: CopyEnd): { readonly file: string; readonly boundary: string } {
    const boundary = this.#environment.paths.srMount(sr)
    return { file: `${boundary}/${uuid}.vhd`, boundary }
  }

  /** Whatever happened, a disk that was attached is detached. */
  async #attached(dbg: Dbg, { end, write }: Opening, body: (device: string) => Promise<void>): Promise<void> {
    const { VDI } = this.#environment.storage
    const { params } = await VDI.attach2(dbg, end, write)
    try {
      await VDI.activate(dbg, end, write)
      try {
        if (params === undefined) throw noDevice(end)
        await body(params)
      } finally {
        await VDI.deactivate(dbg, end)
      }
    } finally {
      await VDI.detach(dbg, end)
    }
  }
}

interface Opening {
  readonly end: CopyEnd
  readonly write: boolean
}

async function closing<I extends DiskImage>(image: I, body: (image: I) => Promise<void>): Promise<void> {
  try {
    await body(image)
  } finally {
    await image.close()
  }
}

function noDevice({ uuid }: CopyEnd): BackendError {
  return new BackendError('SR_BACKEND_FAILURE', ['', `the driver gives no device for disk ${uuid}`, ''])
}
