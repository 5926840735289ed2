import { UsageError } from './failure.ts'
import type { Options } from './getopt.ts'

const MIB = 1024 * 1024

/** The value of a mandatory option. */
export function required({ values }: Options, letter: string): string {
  const value = values.get(letter)
  if (value === undefined || value === '') throw new UsageError()
  return value
}

/** A number option, undefined where it is not given. Decimal or, with `0x`, hexadecimal. */
export function number({ values }: Options, letter: string): number | undefined {
  const text = values.get(letter)
  if (text === undefined) return undefined
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(value)) throw new UsageError(`invalid number ${text}`)
  return value
}

/** A size option in MiB as bytes. */
export function megabytes(options: Options, letter: string): number | undefined {
  const value = number(options, letter)
  if (value === undefined) return undefined
  if (value > Number.MAX_SAFE_INTEGER / MIB) throw new UsageError(`invalid number ${value}`)
  return value * MIB
}
