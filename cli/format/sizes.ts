import { UsageError } from '../failures.ts'

const UNITS = ['K', 'M', 'G', 'T'] as const
const SIZE = /^(\d{1,16}(?:\.\d{1,9})?)\s*(?:([KMGT])(?:iB)?)?$/i
const DECIMAL_UNIT = /^\d+(?:\.\d+)?\s*([KMGT])B$/i

/** Bytes from `10GiB`, `512M`, `1.5T` or plain bytes; units are powers of 1024. Throws UsageError. */
export function parseSize(text: string): number {
  const trimmed = text.trim()
  const decimal = DECIMAL_UNIT.exec(trimmed)?.[1]?.toUpperCase()
  if (decimal !== undefined) {
    throw new UsageError(`size '${text}': ${decimal}B could mean two things, write ${decimal}iB (powers of 1024)`)
  }
  const [, digits, unit = ''] = SIZE.exec(trimmed) ?? []
  const bytes =
    digits === undefined ? NaN : Number(digits) * 1024 ** (UNITS.findIndex(u => u === unit.toUpperCase()) + 1)
  if (!Number.isSafeInteger(bytes)) {
    throw new UsageError(`'${text}' is not a size: write bytes, or a number with KiB, MiB, GiB or TiB`)
  }
  return bytes
}

/** Bytes for people: `1.5 GiB`, `2 MiB`, `512 B`. */
export function formatSize(bytes: number): string {
  let value = bytes
  let unit = 'B'
  for (const next of UNITS) {
    if (value < 1024) break
    value /= 1024
    unit = `${next}iB`
  }
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0
  return `${Number(value.toFixed(digits))} ${unit}`
}
