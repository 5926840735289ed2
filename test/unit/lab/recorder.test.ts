import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EventLog, eventsOf, rebuild } from '../../lab/recorder/log.ts'
import { serveNbd } from '../../lab/recorder/NbdServer.ts'

describe('a recorded disk', () => {
  let directory: string
  const file = (name: string) => path.join(directory, name)
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'recorder-'))
    writeFileSync(file('base'), Buffer.alloc(16, '.'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  function record(): void {
    const log = new EventLog(file('log'))
    const write = (offset: number, text: string, durable = false) => {
      log.append({ kind: 'write', offset, data: Buffer.from(text), durable })
    }
    write(0, 'aa')
    write(2, 'bb')
    log.append({ kind: 'flush' })
    for (const offset of [4, 6, 8, 10]) write(offset, 'cc')
    write(12, 'dd', true)
    log.close()
  }

  function imageAfter(after: number, lose?: number): string {
    rebuild(file('log'), file('base'), file('out'), { after, ...(lose === undefined ? {} : { lose }) })
    return readFileSync(file('out'), 'utf8')
  }

  test('is rebuilt as it was after each event', () => {
    record()
    expect([0, 1, 2, 3, 4].map(after => imageAfter(after))).toEqual([
      '................',
      'aa..............',
      'aabb............',
      'aabb............',
      'aabbcc..........',
    ])
    expect(imageAfter(8)).toBe('aabbccccccccdd..')
    expect(readFileSync(file('base'), 'utf8')).toBe('................')
  })

  test('loses only what was neither flushed nor written through, the same for the same seed', () => {
    record()
    const images = Array.from({ length: 20 }, (_value, seed) => imageAfter(8, seed))
    for (const image of images) expect(image).toMatch(/^aabb(cc|\.\.){4}dd\.\.$/)
    expect(new Set(images).size).toBeGreaterThan(3)
    expect(imageAfter(8, 7)).toBe(images[7])
    expect(new Set(Array.from({ length: 20 }, (_value, seed) => imageAfter(1, seed)))).toEqual(
      new Set(['................', 'aa..............']),
    )
  })

  test('has a log whose last event may be cut off', () => {
    record()
    truncateSync(file('log'), readFileSync(file('log')).length - 1)
    expect([...eventsOf(file('log'))]).toHaveLength(7)
  })

  test('speaks NBD', async () => {
    const calls: string[] = []
    const backend = {
      size: 4096,
      read: (offset: number, length: number) => Buffer.alloc(length, offset),
      write: (offset: number, data: Buffer, durable: boolean) => {
        calls.push(`write ${offset} ${data.toString()} ${durable}`)
      },
      flush: () => {
        calls.push('flush')
      },
    }
    const served = new Promise<void>((resolve, reject) => {
      const server = createServer(socket => {
        server.close()
        serveNbd(socket, backend).then(resolve, reject)
      }).listen(file('socket'))
    })
    const socket = createConnection(file('socket'))
    const received: Buffer[] = []
    socket.on('data', chunk => received.push(chunk))
    const request = (type: number, offset: number, length: number, flags = 0) => {
      const header = Buffer.alloc(28)
      header.writeUInt32BE(0x25609513, 0)
      header.writeUInt16BE(flags, 4)
      header.writeUInt16BE(type, 6)
      header.write('handle!!', 8)
      header.writeBigUInt64BE(BigInt(offset), 16)
      header.writeUInt32BE(length, 24)
      return header
    }
    const go = Buffer.alloc(22)
    go.write('IHAVEOPT', 0)
    go.writeUInt32BE(7, 8)
    go.writeUInt32BE(6, 12)
    socket.write(Buffer.concat([Buffer.alloc(4), go]))
    socket.write(Buffer.concat([request(1, 512, 4, 1), Buffer.from('data'), request(3, 0, 0), request(0, 65, 3)]))
    socket.write(request(2, 0, 0))
    await served
    await new Promise(resolve => socket.on('end', resolve))
    expect(calls).toEqual(['write 512 data true', 'flush'])
    expect(Buffer.concat(received).toString()).toMatch(/handle!![^]*handle!![^]*handle!!AAA$/)
  })
})
