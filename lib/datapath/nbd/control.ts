import type { Socket } from 'node:net'

/** What the server of a disk is asked, one JSON document a line, each answered by one (spec datapath 12). */
export type ControlRequest =
  | { readonly command: 'status' | 'pause' | 'stats' | 'close' }
  | { readonly command: 'unpause'; readonly path?: string; readonly type?: 'vhd' | 'aio' }

export interface Status {
  readonly pid: number
  readonly state: 'running' | 'pausing' | 'paused' | 'failed'
  readonly path: string
  readonly type: 'vhd' | 'aio'
  readonly readOnly: boolean
  /** Bytes. */
  readonly size: number
  /** Files open, from leaf to root. */
  readonly images: readonly string[]
  readonly clients: number
}

export type ControlAnswer =
  | ({ readonly ok: true } & Status)
  /** `errno` as tap-ctl would exit with it. */
  | { readonly ok: false; readonly code: string; readonly errno: number; readonly message: string }

/** The longest line that is read. */
const MAX_LINE = 64 * 1024

/** Calls `onLine` for each line of a connection; one that is too long ends it. */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      onLine(text.slice(0, end))
      text = text.slice(end + 1)
    }
    if (text.length > MAX_LINE) socket.destroy()
  })
}

/** Throws a TypeError for what is no request. */
export function parseRequest(line: string): ControlRequest {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null || !('command' in value)) throw new TypeError('no command')
  const { command } = value
  if (command === 'status' || command === 'pause' || command === 'stats' || command === 'close') return { command }
  if (command !== 'unpause') throw new TypeError(`unknown command ${JSON.stringify(command)}`)
  const path = 'path' in value ? value.path : undefined
  const type = 'type' in value ? value.type : undefined
  if (path !== undefined && typeof path !== 'string') throw new TypeError('path is a string')
  if (type !== undefined && type !== 'vhd' && type !== 'aio') throw new TypeError('type is vhd or aio')
  return { command, ...(path === undefined ? {} : { path }), ...(type === undefined ? {} : { type }) }
}
