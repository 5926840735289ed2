import type { ByteReader } from './ByteReader.ts'
import {
  ALLOCATION_CONTEXT,
  ALLOCATION_ID,
  HANDSHAKE,
  HELLO,
  INFO,
  MAX_NAME,
  MAX_OPTION_DATA,
  MAX_OPTIONS,
  MAX_PAYLOAD,
  OPTION_ERRORS,
  OPTIONS,
  PREFERRED_BLOCK,
  REPLIES,
  TRANSMISSION,
} from './protocol.ts'

/** What clients are told of a disk. */
export interface ExportInfo {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
}

/** What a client and the server agreed on. */
export interface Agreement {
  readonly structured: boolean
  /** Whether block status may be asked for. */
  readonly allocation: boolean
}

/** The socket as the handshake needs it. */
export interface Peer {
  readonly reader: ByteReader
  readonly write: (bytes: Buffer) => Promise<void>
}

interface Option {
  readonly option: number
  readonly data: Buffer
}

interface State {
  readonly peer: Peer
  readonly info: ExportInfo
  noZeroes: boolean
  structured: boolean
  allocation: boolean
}

/**
 * Negotiates with a client that has just connected (spec datapath 16). Returns undefined where it leaves or has to be
 * sent away: the connection is to be closed then. Throws EndOfInput.
 */
export async function shakeHands(peer: Peer, info: ExportInfo): Promise<Agreement | undefined> {
  const hello = Buffer.alloc(18)
  hello.writeBigUInt64BE(HELLO.magic, 0)
  hello.writeBigUInt64BE(HELLO.option, 8)
  hello.writeUInt16BE(HANDSHAKE.fixedNewstyle | HANDSHAKE.noZeroes, 16)
  await peer.write(hello)
  const flags = (await peer.reader.read(4)).readUInt32BE(0)
  if ((flags & ~(HANDSHAKE.fixedNewstyle | HANDSHAKE.noZeroes)) !== 0) return undefined
  const noZeroes = (flags & HANDSHAKE.noZeroes) !== 0
  const state: State = { peer, info, noZeroes, structured: false, allocation: false }
  for (let asked = 0; asked < MAX_OPTIONS; asked += 1) {
    const end = await answerOption(state)
    if (end === 'leave') return undefined
    if (end === 'begin') return { structured: state.structured, allocation: state.allocation }
  }
  return undefined
}

/** The flags of the transmission phase (spec datapath 16). */
export function transmissionFlags({ readOnly }: ExportInfo, structured: boolean): number {
  const { hasFlags, sendFlush, canMultiConn, sendFua, sendTrim, sendWriteZeroes, sendDf } = TRANSMISSION
  const both = hasFlags | sendFlush | canMultiConn | (structured ? sendDf : 0)
  return both | (readOnly ? TRANSMISSION.readOnly : sendFua | sendTrim | sendWriteZeroes)
}

type Next = 'more' | 'begin' | 'leave'

async function answerOption(state: State): Promise<Next> {
  const { reader } = state.peer
  const head = await reader.read(16)
  if (head.readBigUInt64BE(0) !== HELLO.option) return 'leave'
  const option = head.readUInt32BE(8)
  const length = head.readUInt32BE(12)
  if (length > MAX_OPTION_DATA) {
    if (option === OPTIONS.exportName || length > MAX_PAYLOAD) return 'leave'
    await reader.skip(length)
    return refuse(state, option, OPTION_ERRORS.tooBig)
  }
  return answer(state, { option, data: await reader.read(length) })
}

async function answer(state: State, asked: Option): Promise<Next> {
  const { option, data } = asked
  switch (option) {
    case OPTIONS.exportName:
      return beginByName(state, data)
    case OPTIONS.abort:
      await acknowledge(state, option)
      return 'leave'
    case OPTIONS.list:
      return data.length === 0 ? list(state) : refuse(state, option, OPTION_ERRORS.invalid)
    case OPTIONS.info:
    case OPTIONS.go:
      return describeExport(state, asked)
    case OPTIONS.structuredReply:
      if (data.length > 0) return refuse(state, option, OPTION_ERRORS.invalid)
      state.structured = true
      return acknowledge(state, option)
    case OPTIONS.listMetaContext:
    case OPTIONS.setMetaContext:
      return answerContexts(state, asked)
    default:
      return refuse(state, option, OPTION_ERRORS.unsupported)
  }
}

/** The old way to begin: no answer but the numbers, no error but a closed connection. */
async function beginByName(state: State, data: Buffer): Promise<Next> {
  if (!isExport(state, data.toString('utf8'))) return 'leave'
  const reply = Buffer.alloc(10 + (state.noZeroes ? 0 : 124))
  reply.writeBigUInt64BE(BigInt(state.info.size), 0)
  reply.writeUInt16BE(transmissionFlags(state.info, state.structured), 8)
  await state.peer.write(reply)
  return 'begin'
}

async function list(state: State): Promise<Next> {
  const name = Buffer.from(state.info.name)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(name.length, 0)
  await reply(state, { option: OPTIONS.list, type: REPLIES.server, data: Buffer.concat([length, name]) })
  return acknowledge(state, OPTIONS.list)
}

async function describeExport(state: State, { option, data }: Option): Promise<Next> {
  const fields = new Fields(data)
  const name = fields.text()
  const count = fields.uint16()
  if (name === undefined || count === undefined || fields.left !== count * 2) {
    return refuse(state, option, OPTION_ERRORS.invalid)
  }
  if (!isExport(state, name)) return refuse(state, option, OPTION_ERRORS.unknown)
  const basics = Buffer.alloc(12)
  basics.writeUInt16BE(INFO.export, 0)
  basics.writeBigUInt64BE(BigInt(state.info.size), 2)
  basics.writeUInt16BE(transmissionFlags(state.info, state.structured), 10)
  await reply(state, { option, type: REPLIES.info, data: basics })
  const blocks = Buffer.alloc(14)
  blocks.writeUInt16BE(INFO.blockSize, 0)
  blocks.writeUInt32BE(1, 2)
  blocks.writeUInt32BE(PREFERRED_BLOCK, 6)
  blocks.writeUInt32BE(MAX_PAYLOAD, 10)
  await reply(state, { option, type: REPLIES.info, data: blocks })
  await acknowledge(state, option)
  return option === OPTIONS.go ? 'begin' : 'more'
}

async function answerContexts(state: State, { option, data }: Option): Promise<Next> {
  const fields = new Fields(data)
  const name = fields.text()
  const count = fields.uint32()
  const queries: string[] = []
  for (let at = 0; at < (count ?? 0); at += 1) {
    const query = fields.text()
    if (query === undefined) return refuse(state, option, OPTION_ERRORS.invalid)
    queries.push(query)
  }
  const isList = option === OPTIONS.listMetaContext
  if (name === undefined || count === undefined || fields.left > 0 || !state.structured) {
    return refuse(state, option, OPTION_ERRORS.invalid)
  }
  if (!isExport(state, name)) return refuse(state, option, OPTION_ERRORS.unknown)
  const found = queries.includes(ALLOCATION_CONTEXT) || (isList && (count === 0 || queries.includes('base:')))
  if (!isList) state.allocation = found
  if (found) {
    const id = Buffer.alloc(4)
    id.writeUInt32BE(isList ? 0 : ALLOCATION_ID, 0)
    await reply(state, {
      option,
      type: REPLIES.metaContext,
      data: Buffer.concat([id, Buffer.from(ALLOCATION_CONTEXT)]),
    })
  }
  return acknowledge(state, option)
}

/** The empty name stands for the only export there is. */
function isExport({ info }: State, name: string): boolean {
  return name === '' || name === info.name
}

async function acknowledge(state: State, option: number): Promise<Next> {
  await reply(state, { option, type: REPLIES.ack, data: Buffer.alloc(0) })
  return 'more'
}

async function refuse(state: State, option: number, type: number): Promise<Next> {
  await reply(state, { option, type, data: Buffer.alloc(0) })
  return 'more'
}

async function reply(
  { peer }: State,
  { option, type, data }: { readonly option: number; readonly type: number; readonly data: Buffer },
): Promise<void> {
  const head = Buffer.alloc(20)
  head.writeBigUInt64BE(HELLO.optionReply, 0)
  head.writeUInt32BE(option, 8)
  head.writeUInt32BE(type, 12)
  head.writeUInt32BE(data.length, 16)
  await peer.write(Buffer.concat([head, data]))
}

/** Reads the fields of an option's data; undefined for what is not there. */
class Fields {
  readonly #data: Buffer
  #at = 0

  constructor(data: Buffer) {
    this.#data = data
  }

  get left(): number {
    return this.#data.length - this.#at
  }

  uint16(): number | undefined {
    return this.#take(2)?.readUInt16BE(0)
  }

  uint32(): number | undefined {
    return this.#take(4)?.readUInt32BE(0)
  }

  /** A length and that many bytes of UTF-8. */
  text(): string | undefined {
    const length = this.uint32()
    return length === undefined || length > MAX_NAME ? undefined : this.#take(length)?.toString('utf8')
  }

  #take(length: number): Buffer | undefined {
    if (length > this.left) return undefined
    this.#at += length
    return this.#data.subarray(this.#at - length, this.#at)
  }
}
