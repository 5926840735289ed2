export interface Colours {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
}

/** Colours for a terminal that wants them (`NO_COLOR` is honoured), else plain text. */
export function coloursFor(stream: { readonly isTTY?: boolean }): Colours {
  const enabled = stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
  const code = (start: number, end: number) => (text: string) => (enabled ? `\x1b[${start}m${text}\x1b[${end}m` : text)
  return { bold: code(1, 22), dim: code(2, 22), red: code(31, 39), green: code(32, 39), yellow: code(33, 39) }
}
