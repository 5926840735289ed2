import { once } from 'node:events'
import * as net from 'node:net'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ByteReader } from '../../../lib/datapath/nbd/ByteReader.ts'
import { Export } from '../../../lib/datapath/nbd/Export.ts'
import { NbdServer } from '../../../lib/datapath/nbd/NbdServer.ts'
import { openDisk, type DiskPlace } from '../../../lib/datapath/openDisk.ts'
import { files, makeUtil, MIB, scratch } from '../vhd/support.ts'

const SIZE = 8 * MIB
const NAME = 'disk'

let place: DiskPlace
let exported: Export
let server: NbdServer
let socketPath: string
const sockets: net.Socket[] = []

beforeEach(async () => {
  const boundary = scratch()
  place = { path: path.join(boundary, 'disk.vhd'), type: 'vhd', boundary, readOnly: false, writeThrough: false }
  await makeUtil().create(place.path, SIZE)
  await serve(place)
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  const gone = server.close()
  await exported.close()
  await gone
})

async function serve(disk: DiskPlace): Promise<void> {
  const warn = (): void => undefined
  exported = new Export(await openDisk(files, disk), { name: NAME, warn })
  server = new NbdServer(exported, warn)
  socketPath = path.join(disk.boundary, `${disk.readOnly ? 'ro' : 'rw'}.sock`)
  await server.listen(socketPath)
}

describe('the handshake', () => {
  it('tells size and flags of the export asked for, and of the only one where none is named', async () => {
    for (const name of [NAME, '']) {
      const { replies } = await ask([option(7, exportName(name, []))])
      expect(replies.map(({ type }) => type)).toEqual([3, 3, 1])
      const info = replies[0]?.data ?? Buffer.alloc(0)
      expect([info.readUInt16BE(0), Number(info.readBigUInt64BE(2)), info.readUInt16BE(10)]).toEqual([0, SIZE, 0x16d])
    }
  })

  it('knows no other export', async () => {
    expect((await ask([option(6, exportName('other', []))])).replies).toMatchObject([{ type: 0x8000_0006 }])
    const old = await connect()
    old.socket.write(Buffer.concat([flags(3), option(1, Buffer.from('other'))]))
    await once(old.socket, 'close')
  })

  it.each([
    [3, 0],
    [1, 124],
  ])('begins the old way too, with flags %i', async (clientFlags, padding) => {
    const { socket, reader } = await connect()
    socket.write(Buffer.concat([flags(clientFlags), option(1, Buffer.from(NAME))]))
    const answer = await reader.read(10 + padding)
    expect(Number(answer.readBigUInt64BE(0))).toBe(SIZE)
    socket.write(request({ type: 0, offset: 0, length: 4 }))
    expect((await reader.read(20)).readUInt32BE(4)).toBe(0)
  })

  it('lists the export', async () => {
    const { replies } = await ask([option(3)])
    expect(replies.map(({ type }) => type)).toEqual([2, 1])
    expect(replies[0]?.data.toString('latin1', 4)).toBe(NAME)
  })

  it('refuses what it does not know and what is malformed, and goes on', async () => {
    const asked = [
      option(5),
      option(99, Buffer.alloc(10)),
      option(7, Buffer.from([0, 0, 0, 9])),
      option(8, Buffer.alloc(1)),
    ]
    const { replies } = await ask([...asked, option(3)])
    const [unsupported, invalid] = [0x8000_0001, 0x8000_0003]
    expect(replies.map(({ type }) => type)).toEqual([unsupported, unsupported, invalid, invalid, 2, 1])
  })

  it('refuses too much data without keeping it', async () => {
    const { replies } = await ask([option(6, Buffer.alloc(70_000)), option(3)])
    expect(replies.map(({ type }) => type)).toEqual([0x8000_0009, 2, 1])
  })

  it('offers block status only with structured replies', async () => {
    const query = exportName(NAME, [], 'base:allocation')
    expect((await ask([option(10, query)])).replies).toMatchObject([{ type: 0x8000_0003 }])
    expect((await ask([option(8), option(10, query)])).replies.map(({ type }) => type)).toEqual([1, 4, 1])
  })

  it.each([
    ['unknown flags', flags(0x80)],
    ['no magic', Buffer.concat([flags(3), Buffer.alloc(16, 7)])],
    ['a name without end', Buffer.concat([flags(3), option(1, Buffer.alloc(70_000)).subarray(0, 16)])],
  ])('sends away a client with %s', async (_, bytes) => {
    const { socket } = await connect()
    socket.write(bytes)
    await once(socket, 'close')
  })

  it('sends away a client that only asks', async () => {
    const { socket, reader } = await connect()
    socket.write(Buffer.concat([flags(3), ...Array.from({ length: 100 }, () => option(99))]))
    await expect(reader.skip(100 * 20)).rejects.toThrow('the other side has gone')
  })
})

describe('requests', () => {
  it('are answered by structured replies where that was agreed', async () => {
    const { socket, reader } = await begin(true)
    socket.write(request({ type: 1, offset: 10, length: 3, data: Buffer.from('abc') }))
    expect((await reader.read(16)).readUInt32BE(4)).toBe(0)
    socket.write(request({ type: 0, offset: 9, length: 5 }))
    const chunk = await reader.read(33)
    expect([chunk.readUInt32BE(0), chunk.readUInt16BE(4), chunk.readUInt16BE(6)]).toEqual([0x668e33ef, 1, 1])
    expect(Number(chunk.readBigUInt64BE(20))).toBe(9)
    expect(chunk.subarray(28).toString('latin1')).toBe('\0abc\0')
  })

  it('tell which parts hold data', async () => {
    const { socket, reader } = await begin(true)
    socket.write(request({ type: 1, offset: 4 * MIB, length: 4096, data: Buffer.alloc(4096, 1) }))
    await reader.read(16)
    socket.write(request({ type: 7, offset: 0, length: SIZE }))
    const head = await reader.read(24)
    const extents = await reader.read(head.readUInt32BE(16) - 4)
    const numbers = Array.from({ length: extents.length / 4 }, (_, index) => extents.readUInt32BE(index * 4))
    expect(numbers).toEqual([4 * MIB, 3, 4096, 0, 4 * MIB - 4096, 3])
  })

  it.each([
    ['a read', { type: 0, offset: SIZE - 1, length: 2 }, 22],
    ['a read far away', { type: 0, offset: 2 ** 60, length: 1 }, 22],
    ['a write', { type: 1, offset: SIZE, length: 2, data: Buffer.alloc(2) }, 28],
    ['zeroes', { type: 6, offset: SIZE - 10, length: 20 }, 28],
    ['a trim', { type: 4, offset: SIZE, length: 1 }, 22],
    ['an unknown command', { type: 42, offset: 0, length: 1 }, 22],
  ])('past the end or unknown are refused, and the next is served: %s', async (_, wrong, error) => {
    const { socket, reader } = await begin(false)
    socket.write(request(wrong))
    expect((await reader.read(16)).readUInt32BE(4)).toBe(error)
    socket.write(request({ type: 3, offset: 0, length: 0 }))
    expect((await reader.read(16)).readUInt32BE(4)).toBe(0)
  })

  it('that change a disk open for reading only are refused', async () => {
    const gone = server.close()
    await exported.close()
    await gone
    await serve({ ...place, readOnly: true })
    const { socket, reader } = await begin(false)
    socket.write(request({ type: 1, offset: 0, length: 2, data: Buffer.alloc(2) }))
    expect((await reader.read(16)).readUInt32BE(4)).toBe(1)
  })

  it('of many clients see what the others wrote', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => begin(false)))
    await Promise.all(
      clients.map(async ({ socket, reader }, index) => {
        socket.write(request({ type: 1, offset: index * 512, length: 512, data: Buffer.alloc(512, index + 1) }))
        await reader.read(16)
      }),
    )
    const [first] = clients
    first?.socket.write(request({ type: 0, offset: 0, length: 4096 }))
    const data = (await first?.reader.read(16 + 4096))?.subarray(16)
    for (let index = 0; index < 8; index += 1) expect(data?.[index * 512 + 100]).toBe(index + 1)
  })

  it('that a client does not finish end with it, and harm nobody', async () => {
    const { socket } = await begin(false)
    socket.write(request({ type: 1, offset: 0, length: MIB, data: Buffer.alloc(1000) }))
    socket.destroy()
    const other = await begin(false)
    other.socket.write(request({ type: 0, offset: 0, length: 512 }))
    expect((await other.reader.read(16 + 512)).subarray(16).equals(Buffer.alloc(512))).toBe(true)
  })
})

describe('a pause', () => {
  it('keeps requests waiting, closes every file, and serves what it finds afterwards', async () => {
    const { socket, reader } = await begin(false)
    socket.write(request({ type: 1, offset: 0, length: 512, data: Buffer.alloc(512, 1) }))
    await reader.read(16)
    await exported.pause()
    expect(exported.images).toEqual([])
    socket.write(request({ type: 0, offset: 0, length: 512 }))
    const answer = reader.read(16 + 512)
    const child = path.join(place.boundary, 'child.vhd')
    await makeUtil().snapshot(child, place.path, { exactParent: true })
    const disk = await openDisk(files, { ...place, path: child })
    if (disk.readOnly) throw new Error('opened for reading only')
    await disk.image.write(0, Buffer.alloc(512, 2))
    await disk.image.close()
    await exported.unpause(() => openDisk(files, { ...place, path: child }))
    expect((await answer).subarray(16).equals(Buffer.alloc(512, 2))).toBe(true)
    expect(exported.images).toEqual([child, place.path])
  })

  it('never ends with a disk of another size', async () => {
    const other = path.join(place.boundary, 'other.vhd')
    await makeUtil().create(other, 2 * SIZE)
    await exported.pause()
    const open = (): ReturnType<typeof openDisk> => openDisk(files, { ...place, path: other })
    await expect(exported.unpause(open)).rejects.toMatchObject({ code: 'EMEDIUMTYPE', errno: 124 })
    expect(exported.state).toBe('failed')
    await exported.unpause(() => openDisk(files, place))
    expect(exported.state).toBe('running')
  })

  it('is refused while there is one, as its end is where there is none', async () => {
    await expect(exported.unpause(() => openDisk(files, place))).rejects.toMatchObject({ code: 'EBUSY' })
    await exported.pause()
    await expect(exported.pause()).rejects.toMatchObject({ code: 'EBUSY' })
    await exported.unpause(() => openDisk(files, place))
  })
})

interface Conversation {
  readonly socket: net.Socket
  readonly reader: ByteReader
}

async function connect(): Promise<Conversation> {
  const socket = net.connect(socketPath)
  sockets.push(socket)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  const reader = new ByteReader(socket)
  const hello = await reader.read(18)
  expect(hello.toString('latin1', 0, 16)).toBe('NBDMAGICIHAVEOPT')
  return { socket, reader }
}

/** Sends options and returns the replies up to the last one's acknowledgement or error. */
async function ask(options: readonly Buffer[]): Promise<{ replies: { type: number; data: Buffer }[] }> {
  const { socket, reader } = await connect()
  socket.write(Buffer.concat([flags(3), ...options]))
  const replies: { type: number; data: Buffer }[] = []
  for (let ended = 0; ended < options.length;) {
    const head = await reader.read(20)
    const type = head.readUInt32BE(12)
    replies.push({ type, data: await reader.read(head.readUInt32BE(16)) })
    if (type === 1 || type >= 0x8000_0000) ended += 1
  }
  return { replies }
}

async function begin(structured: boolean): Promise<Conversation> {
  const conversation = await connect()
  const { socket, reader } = conversation
  const extras = structured ? [option(8), option(10, exportName(NAME, [], 'base:allocation'))] : []
  socket.write(Buffer.concat([flags(3), ...extras, option(1, Buffer.from(NAME))]))
  // Acknowledgement of structured replies; the context and its acknowledgement.
  if (structured) await reader.read(20 + 20 + 4 + 'base:allocation'.length + 20)
  await reader.read(10)
  return conversation
}

function flags(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value, 0)
  return bytes
}

function option(number: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(16)
  head.write('IHAVEOPT', 'latin1')
  head.writeUInt32BE(number, 8)
  head.writeUInt32BE(data.length, 12)
  return Buffer.concat([head, data])
}

/** The data of GO and INFO, or with a query of SET_META_CONTEXT. */
function exportName(name: string, infos: readonly number[], query?: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([flags(value.length), Buffer.from(value)])
  if (query !== undefined) return Buffer.concat([text(name), flags(1), text(query)])
  const count = Buffer.alloc(2)
  count.writeUInt16BE(infos.length, 0)
  return Buffer.concat([text(name), count])
}

function request(wanted: { type: number; offset: number; length: number; data?: Buffer }): Buffer {
  const head = Buffer.alloc(28)
  head.writeUInt32BE(0x25609513, 0)
  head.writeUInt16BE(wanted.type, 6)
  head.writeBigUInt64BE(77n, 8)
  head.writeBigUInt64BE(BigInt(wanted.offset), 16)
  head.writeUInt32BE(wanted.length, 24)
  return Buffer.concat([head, wanted.data ?? Buffer.alloc(0)])
}
