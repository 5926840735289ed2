/** Sector bitmaps of blocks as they are on disk, bounded in bytes; those not used for longest go first. */
export class BitmapCache {
  readonly #limit: number
  readonly #bitmaps = new Map<number, Buffer>()
  readonly #loading = new Map<number, Promise<Buffer>>()
  #bytes = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The bitmap of a block, loaded once however many ask for it at a time. */
  get(block: number, load: () => Promise<Buffer>): Buffer | Promise<Buffer> {
    const known = this.#bitmaps.get(block)
    if (known === undefined) return this.#loading.get(block) ?? this.#load(block, load)
    this.#bitmaps.delete(block)
    this.#bitmaps.set(block, known)
    return known
  }

  /** Keeps a bitmap that is on disk now; one that is being loaded is older and is not kept. */
  keep(block: number, bitmap: Buffer): void {
    this.#loading.delete(block)
    this.#drop(block)
    this.#bitmaps.set(block, bitmap)
    this.#bytes += bitmap.length
    for (const oldest of this.#bitmaps.keys()) {
      if (this.#bytes <= this.#limit) break
      this.#drop(oldest)
    }
  }

  #load(block: number, load: () => Promise<Buffer>): Promise<Buffer> {
    const loading = load().then(
      bitmap => {
        if (this.#loading.get(block) === loading) this.keep(block, bitmap)
        return bitmap
      },
      (error: unknown) => {
        if (this.#loading.get(block) === loading) this.#loading.delete(block)
        throw error
      },
    )
    this.#loading.set(block, loading)
    return loading
  }

  #drop(block: number): void {
    const bitmap = this.#bitmaps.get(block)
    if (bitmap === undefined) return
    this.#bitmaps.delete(block)
    this.#bytes -= bitmap.length
  }
}
