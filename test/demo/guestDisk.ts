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

/** Works with a disk as a guest does: opened as `sm vdi-attach` opens it, over NBD. */
export async function useDisk<T>(
  connection: Connection,
  vdi: string,
  body: (disk: GuestDisk) => Promise<T>,
): Promise<T> {
  return usingDisk(connection, vdi, async ({ socket, uuid }) => {
    const client = await NbdClient.connect(socket, uuid, { allocation: true })
    try {
      return await body(guestDisk(client))
    } finally {
      await client.disconnect()
    }
  })
}

function guestDisk(client: NbdClient): GuestDisk {
  return {
    virtualSize: client.size,
    // What the server says is zero need not be sent.
    read: async (position, length) =>
      (await isZero(client, position, length)) ? Buffer.alloc(length) : client.read(position, length),
    write: (position, bytes) => client.write(position, bytes),
  }
}

async function isZero(client: NbdClient, position: number, length: number): Promise<boolean> {
  const [first] = await client.extents(position, length)
  return first !== undefined && first.isZero && first.length >= length
}
