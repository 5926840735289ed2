/** Numbers of the NBD protocol, fixed newstyle (spec datapath 16). All integers are big-endian. */

export const HELLO = { magic: 0x4e42444d41474943n, option: 0x49484156454f5054n, optionReply: 0x3e889045565a9n } as const

/** Handshake flags; the client's have the same bits. */
export const HANDSHAKE = { fixedNewstyle: 1, noZeroes: 2 } as const

export const OPTIONS = {
  exportName: 1,
  abort: 2,
  list: 3,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const

export const REPLIES = { ack: 1, server: 2, info: 3, metaContext: 4 } as const

export const OPTION_ERRORS = {
  unsupported: 0x8000_0001,
  invalid: 0x8000_0003,
  unknown: 0x8000_0006,
  tooBig: 0x8000_0009,
} as const

export const INFO = { export: 0, blockSize: 3 } as const

export const TRANSMISSION = {
  hasFlags: 0x1,
  readOnly: 0x2,
  sendFlush: 0x4,
  sendFua: 0x8,
  sendTrim: 0x20,
  sendWriteZeroes: 0x40,
  sendDf: 0x80,
  canMultiConn: 0x100,
} as const

export const REQUEST_MAGIC = 0x25609513
export const SIMPLE_REPLY_MAGIC = 0x67446698
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef

export const COMMANDS = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6, blockStatus: 7 } as const

export const COMMAND_FLAGS = { fua: 1, noHole: 2, df: 4, reqOne: 8 } as const

export const CHUNKS = { offsetData: 1, blockStatus: 5, error: 0x8001 } as const

/** The flag of a chunk that ends its reply. */
export const CHUNK_DONE = 1

export const ERRNO = { EPERM: 1, EIO: 5, ENOMEM: 12, EINVAL: 22, ENOSPC: 28, EOVERFLOW: 75, ENOTSUP: 95 } as const

/** States of `base:allocation`. */
export const STATE = { data: 0, hole: 3, zero: 2 } as const

export const ALLOCATION_CONTEXT = 'base:allocation'

/** The one context id handed out. */
export const ALLOCATION_ID = 1

/** Bytes of one request's data, and of one option's. */
export const MAX_PAYLOAD = 32 * 1024 * 1024
export const MAX_OPTION_DATA = 64 * 1024
export const MAX_NAME = 4096

/** Options one client may send before it begins. */
export const MAX_OPTIONS = 64

/** Preferred bytes of a request. */
export const PREFERRED_BLOCK = 4096
