import path from 'node:path'
import { errnoOf } from './failure.ts'

/** Said of a target that is not there. */
export const UNSCANNABLE = 'failure scanning target'

/** What to scan. */
export interface ScanTarget {
  /** As it is printed. */
  readonly name: string
  /** Identity within one scan: two targets with the same key are the same disk. */
  readonly key: string
  /** A parent that is no VHD. */
  readonly raw: boolean
}

/** One disk as `scan` prints it (spec vhd 7.13). Sizes in bytes. */
export interface ScanRow {
  readonly target: ScanTarget
  readonly capacity: number
  readonly size: number
  readonly hidden: number
  readonly marker?: { readonly value: number; readonly keyHash: string }
  readonly parent?: ScanParent
}

export interface ScanParent {
  /** As it is printed. */
  readonly name: string
  /** Where `-a` looks for it, undefined where it was not found. */
  readonly target?: ScanTarget
}

/** A target that could not be scanned. */
export interface ScanFailure {
  readonly target: ScanTarget
  readonly errno: number
  readonly message: string
}

/** Where the targets of a scan are and how they are read. */
export interface ScanSource {
  /** Reads one disk; a disk that cannot be read is a failure and not an error. */
  read(target: ScanTarget): Promise<ScanRow | ScanFailure>
  /** Whether a parent can be scanned too: undefined if so, else the positive errno. */
  missing(target: ScanTarget): Promise<number | undefined>
  close(): Promise<void>
}

export function isFailure(result: ScanRow | ScanFailure): result is ScanFailure {
  return 'errno' in result
}

/** Runs one step of a reading; what fails there is told by `message`. */
export async function step<T>(message: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw error instanceof ScanStepError ? error : new ScanStepError(errnoOf(error), message)
  }
}

export class ScanStepError extends Error {
  readonly errno: number

  constructor(errno: number, message: string) {
    super(message)
    this.errno = errno
  }
}

/** The row, or the step that failed. */
export async function orFailure(target: ScanTarget, reading: Promise<ScanRow>): Promise<ScanRow | ScanFailure> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof ScanStepError) return { target, errno: error.errno, message: error.message }
    throw error
  }
}

/** The error line; the path is never shortened. */
export function failureLine({ target, errno, message }: ScanFailure): string {
  return `vhd=${target.name} scan-error=-${errno} error-message='${message}'\n`
}

export interface RowStyle {
  /** Whole paths instead of base names. */
  readonly verbose: boolean
  readonly indent?: number
  /** Said of a parent that is not among the rows of a tree. */
  readonly parentNote?: string
}

/** The line of a disk. */
export function rowLine(row: ScanRow, { verbose, indent = 0, parentNote = '' }: RowStyle): string {
  const shorten = (name: string): string => (verbose ? name : path.basename(name))
  const marker = row.marker === undefined ? '' : ` marker=${row.marker.value} keyhash=${row.marker.keyHash}`
  const parent = row.parent === undefined ? 'none' : `${shorten(row.parent.name)}${parentNote}`
  return (
    `${'   '.repeat(indent)}vhd=${shorten(row.target.name)} capacity=${row.capacity} size=${row.size} ` +
    `hidden=${row.hidden}${marker} parent=${parent}\n`
  )
}
