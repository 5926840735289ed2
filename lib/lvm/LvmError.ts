import { CommandError } from '../os/run.ts'

/** Why LVM failed, as far as that changes what is to be done. */
export type LvmReason = 'noSpace' | 'missing' | 'inUse' | 'exists' | 'checksum' | 'other'

/** Texts of LVM in the C locale; the first match wins. */
const REASONS: readonly (readonly [RegExp, LvmReason])[] = [
  [/Incorrect checksum in metadata area header/, 'checksum'],
  [/insufficient (free space|free extents|suitable)|size of logical volume is 0 extents/i, 'noSpace'],
  [/Device does not exist/, 'missing'],
  [/Volume group "[^"]*" not found|Failed to find (logical|physical) volume|not found in volume group/i, 'missing'],
  [/ in use\b|is used by another|contains a filesystem|Device or resource busy/i, 'inUse'],
  [/already exists/i, 'exists'],
]

/** LVM or dmsetup failed: a `CommandError` that also says why. */
export class LvmError extends CommandError {
  readonly reason: LvmReason

  constructor({ argv, exitCode, stderr }: CommandError) {
    super(argv, exitCode, stderr, stderr)
    this.name = 'LvmError'
    this.reason = REASONS.find(([text]) => text.test(stderr))?.[1] ?? 'other'
  }
}

/** Whether LVM failed for this reason. */
export function isLvmError(error: unknown, reason: LvmReason): boolean {
  return error instanceof LvmError && error.reason === reason
}
