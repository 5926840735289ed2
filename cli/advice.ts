/** What to do next about an SM error, by its code. */
const BY_SM_CODE: ReadonlyMap<number, string> = new Map([
  [16, 'Something still uses the storage: stop it, then try again.'],
  [24, 'The disk is in use: shut down or detach whatever has it open, then try again.'],
  [38, 'This kind of disk or driver cannot do that.'],
  [40, 'An image, or the directory, cannot be read: sm tree SR shows which one.'],
  [44, 'Free some space: sm tree SR shows what takes it, sm vdi-destroy removes disks and snapshots.'],
  [
    46,
    'Look at the disk with sm info VDI and at its chain with sm tree; sm sr-scan SR finishes interrupted operations.',
  ],
  [
    47,
    'Attach the storage repository: sm pbd-plug SR. If it is attached, sm sr-scan SR finishes interrupted operations.',
  ],
  [37, 'Another operation on this storage repository is still running: wait for it, then try again.'],
  [79, 'Choose a size between 2 MiB and 2040 GiB; disks can grow but not shrink.'],
  [109, 'Destroy snapshots that are no longer needed, so that the chain becomes shorter.'],
  [
    61,
    'For a new one the directory must be absent or empty, its parent must exist, and what is there must be yours. For one that was there before: is its disk mounted? Never make the directory anew: a scan of an empty one forgets every disk.',
  ],
  [143, 'Newer and older parts are mixed: build again and retry.'],
  [447, 'Choose a name and a description without control characters.'],
  [202, 'The log says more: sm info shows where it is.'],
])

/** What to do next about an error of XenAPI itself, by its code. */
const BY_XAPI_CODE: ReadonlyMap<string, string> = new Map([
  ['VDI_IN_USE', 'The disk is in use: shut down or detach whatever has it open, then try again.'],
  ['SR_DEVICE_IN_USE', 'Something still uses the storage: stop it, then try again.'],
  ['SR_HAS_PBD', 'Detach it first: sm pbd-unplug SR'],
  ['SR_HAS_NO_PBDS', 'Attach it first: sm pbd-plug SR'],
  ['SR_NOT_ATTACHED', 'Attach it first: sm pbd-plug SR'],
  ['SR_NOT_EMPTY', 'Destroy its disks first: sm vdi-list --sr SR, then sm vdi-destroy VDI'],
  ['SR_UNKNOWN_DRIVER', 'See which types there are: sm info'],
  [
    'SR_OPERATION_NOT_SUPPORTED',
    'The driver of this storage repository does not offer that: sm info shows what it does.',
  ],
  [
    'UNIMPLEMENTED_IN_SM_BACKEND',
    'This kind of disk cannot do that; for a revert, sm vdi-clone SNAPSHOT makes a copy instead.',
  ],
  ['REVERT_ONLY_ALLOWED_ON_SNAPSHOT', 'Name the snapshot to go back to, not the disk: sm vdi-list'],
  ['HANDLE_INVALID', 'The object is gone, or belongs to a disk that is: sm vdi-list --all'],
  ['VDI_MISSING', 'The disk is gone from storage: sm sr-scan SR brings the database in line.'],
  ['VDI_NOT_MANAGED', 'This is a base copy that other disks share; work on one of those.'],
  ['OTHER_OPERATION_IN_PROGRESS', 'Wait for it to finish, then try again.'],
  ['SR_BACKEND_FAILURE', 'The driver ended in the middle of its work: sm sr-scan SR finishes or undoes what it left.'],
  ['SESSION_AUTHENTICATION_FAILED', 'Only the local socket can be used without a password: SM_XAPI_URL=unix:PATH'],
])

const LOG_HINT = 'The log says more: sm info shows where it is.'

export function adviceForSmCode(code: number): string {
  return BY_SM_CODE.get(code) ?? LOG_HINT
}

export function adviceForXapiCode(code: string): string | undefined {
  return BY_XAPI_CODE.get(code)
}
