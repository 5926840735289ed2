import { Gate } from '../../vhd/Gate.ts'
import type { DiskImage, WritableDiskImage } from '../../vhd/DiskImage.ts'
import { vhdError } from '../../vhd/errors.ts'
import { VhdError } from '../../vhd/VhdUtil.ts'

export type ExportState = 'running' | 'pausing' | 'paused' | 'failed'

/** A disk opened for reading, or for both. */
export type OpenedDisk =
  | { readonly readOnly: true; readonly image: DiskImage }
  | { readonly readOnly: false; readonly image: WritableDiskImage }

/** Opens the disk from scratch: nothing known from before may be used. */
export type OpenDisk = () => Promise<OpenedDisk>

/** "Wrong medium type", which a disk of another size gets (spec datapath 6). */
const EMEDIUMTYPE = 124

/** Milliseconds a write may wait for somebody to flush it: what a killed process loses at most. */
const FLUSH_AFTER = 500

/**
 * A disk that clients use and that can be paused under them (spec datapath 15): requests wait, all files are closed, and
 * afterwards the chain is opened again, whatever has become of it.
 */
export class Export {
  readonly name: string
  readonly readOnly: boolean
  /** Bytes; stays the same as long as clients know it. */
  readonly size: number
  readonly #gate = new Gate()
  readonly #warn: (text: string) => void
  #disk: OpenedDisk | undefined
  /** Why writes that were told done are lost: the next flush says so. */
  #lost: unknown
  #state: ExportState = 'running'
  #running: Promise<void> = Promise.resolve()
  #resume: (() => void) | undefined
  #isClosed = false
  #flushTimer: NodeJS.Timeout | undefined

  constructor(disk: OpenedDisk, options: { name: string; warn: (text: string) => void }) {
    this.#disk = disk
    this.name = options.name
    this.readOnly = disk.readOnly
    this.size = disk.image.virtualSize
    this.#warn = options.warn
  }

  get state(): ExportState {
    return this.#state
  }

  /** Files from leaf to root; none while paused. */
  get images(): readonly string[] {
    return this.#disk?.image.images ?? []
  }

  /** Resolves at once unless the export is paused: then when it runs again. */
  get ready(): Promise<void> | undefined {
    return this.#resume === undefined ? undefined : this.#running
  }

  /** Runs a request on the disk, once the export runs. */
  async use<T>(task: (image: DiskImage) => Promise<T>): Promise<T> {
    return this.#use(disk => task(disk.image))
  }

  /** As `use`, for a request that changes the disk. Throws EROFS for a read-only export. */
  async change(task: (image: WritableDiskImage) => Promise<void>): Promise<void> {
    await this.#use(async disk => {
      if (disk.readOnly) throw vhdError('EROFS', `${this.name} is read-only`)
      await task(disk.image)
    })
    this.#flushSoon()
  }

  /**
   * Makes durable what earlier requests wrote. Throws where that failed, also in the background since the last call: the
   * kernel tells of a failed write once and forgets the data.
   */
  async flush(): Promise<void> {
    const lost = this.#lost
    this.#lost = undefined
    if (lost !== undefined) throw vhdError('EIO', `${this.name} lost writes since its last flush`, lost)
    await this.#use(async disk => {
      if (!disk.readOnly) await disk.image.flush()
    })
  }

  /** As `flush`, for nobody who could be told of a failure: the next `flush` is. */
  async flushUnasked(): Promise<void> {
    try {
      await this.#use(async disk => {
        if (!disk.readOnly) await disk.image.flush()
      })
    } catch (error) {
      this.#lost ??= error
      this.#warn(`flush of ${this.name} failed: ${String(error)}`)
    }
  }

  /** Lets requests under way end, makes them durable, closes every file. Throws EBUSY where it does not run. */
  async pause(): Promise<void> {
    if (this.#state !== 'running') throw vhdError('EBUSY', `${this.name} is ${this.#state}`)
    this.#state = 'pausing'
    this.#running = new Promise(resolve => {
      this.#resume = resolve
    })
    await this.#gate.alone(async () => {
      this.#stopTimer()
      const disk = this.#disk
      this.#disk = undefined
      // Whatever becomes of the last flush, no file stays open and nobody is served until the chain is opened again.
      this.#state = 'paused'
      await disk?.image.close().catch((error: unknown) => {
        this.#lost = error
        throw error
      })
    })
  }

  /**
   * Opens the chain again and lets requests pass. Where that fails the export stays closed as `failed`, and may be tried
   * again. Throws what `open` throws, EBUSY where it is not paused, and EMEDIUMTYPE where the size is another one.
   */
  async unpause(open: OpenDisk): Promise<void> {
    if (this.#state !== 'paused' && this.#state !== 'failed') throw vhdError('EBUSY', `${this.name} is ${this.#state}`)
    this.#state = 'failed'
    const disk = await open()
    const { virtualSize } = disk.image
    if (virtualSize !== this.size) {
      await disk.image.close()
      throw new VhdError('EMEDIUMTYPE', EMEDIUMTYPE, `${this.name} had ${this.size} bytes and has ${virtualSize} now`)
    }
    this.#disk = disk
    this.#state = 'running'
    this.#resume?.()
    this.#resume = undefined
  }

  /** Ends for good: durable, every file closed. Requests that still wait fail. */
  async close(): Promise<void> {
    this.#isClosed = true
    try {
      if (this.#state === 'running') await this.pause()
    } finally {
      this.#resume?.()
    }
  }

  async #use<T>(task: (disk: OpenedDisk) => Promise<T>): Promise<T> {
    for (;;) {
      await this.ready
      const done = await this.#gate.pass(async () => {
        const disk = this.#disk
        // Paused again before this got its turn.
        return disk === undefined ? undefined : { value: await task(disk) }
      })
      if (done === undefined && this.#isClosed) throw vhdError('ESHUTDOWN', `${this.name} is closed`)
      if (done !== undefined) return done.value
    }
  }

  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined
      void this.flushUnasked()
    }, FLUSH_AFTER)
  }

  #stopTimer(): void {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
  }
}
