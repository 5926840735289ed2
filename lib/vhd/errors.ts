import { constants } from 'node:os'
import { VhdError } from './VhdUtil.ts'

/** A failure with its errno name, as the VHD tool would exit with it (spec vhd 6). */
export function vhdError(code: string, message: string, cause?: unknown): VhdError {
  return new VhdError(code, errnoNumber(code), message, cause === undefined ? undefined : { cause })
}

/** Runs `body`; a system error it throws becomes a `VhdError` of the same code, anything else passes unchanged. */
export async function asVhdError<T>(what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    throw toVhdError(error, what)
  }
}

/** The errno name of a number, `EIO` for one the system does not know. */
export function errnoName(number: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === number)
  return found?.[0] ?? 'EIO'
}

function toVhdError(error: unknown, what: string): unknown {
  if (error instanceof VhdError || !(error instanceof Error)) return error
  const code = 'code' in error ? error.code : undefined
  if (typeof code !== 'string' || !(code in constants.errno)) return error
  return vhdError(code, `${what}: ${error.message}`, error)
}

function errnoNumber(code: string): number {
  const numbers: Readonly<Record<string, number>> = constants.errno
  return numbers[code] ?? constants.errno.EIO
}
