import { usingDisk } from '../../cli/attach/attach.ts'
import type { Connection } from '../../cli/connection.ts'
import { NbdClient } from '../support/NbdClient.ts'

/** A disk as its guest sees it: bytes. */
export interface GuestDisk {
  /** Bytes. */
  readonly virtualSize: number
  read(position: number, length: number): Promise<Buffer>
  write(position: number, bytes: Buffer): Promise<void>
}

interface Extent {
  readonly start: number
  readonly end: number
  readonly isZero: boolean
}

const ZEROES = Buffer.alloc(2 * 1024 * 1024)

/** Bytes of the disk that the server is asked about at a time. */
const WINDOW = 1024 ** 3

/** Works with a disk as a guest does: opened as `sm vdi-attach` opens it, over NBD. */
export async function useDisk<T>(
  connection: Connection,
  vdi: string,
  body: (disk: GuestDisk) => Promise<T>,
): Promise<T> {
  return usingDisk(connection, vdi, async ({ socket, uuid }) => {
    const client = await NbdClient.connect(socket, uuid, { allocation: true })
    try {
      return await body(new NbdDisk(client))
    } finally {
      await client.disconnect()
    }
  })
}

/** What the server says is zero is not sent. */
class NbdDisk implements GuestDisk {
  readonly #client: NbdClient
  /** Extents that follow each other, as they are since the last write. */
  #known: Extent[] = []

  constructor(client: NbdClient) {
    this.#client = client
  }

  get virtualSize(): number {
    return this.#client.size
  }

  async read(position: number, length: number): Promise<Buffer> {
    const isZero = length <= ZEROES.length && (await this.#isZero(position, position + length))
    return isZero ? ZEROES.subarray(0, length) : this.#client.read(position, length)
  }

  async write(position: number, bytes: Buffer): Promise<void> {
    this.#known = []
    await this.#client.write(position, bytes)
  }

  async #isZero(start: number, end: number): Promise<boolean> {
    const covers = (extent: Extent): boolean => extent.start <= start && start < extent.end
    if (!this.#known.some(covers)) await this.#look(start)
    const extent = this.#known.find(covers)
    return extent !== undefined && extent.isZero && end <= extent.end
  }

  async #look(from: number): Promise<void> {
    let start = from
    this.#known = (await this.#client.extents(from, Math.min(WINDOW, this.virtualSize - from))).map(extent => {
      const found = { start, end: start + extent.length, isZero: extent.isZero }
      start = found.end
      return found
    })
  }
}
