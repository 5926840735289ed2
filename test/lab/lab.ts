import { describe } from 'vitest'
import { Guest } from './Guest.ts'
import { missingForLab } from './requirements.ts'

let shared: Promise<Guest> | undefined

/** The guest of a test file, booted when it is first asked for. Whatever a test starts or makes in it, it ends and removes. */
export function sharedGuest(): Promise<Guest> {
  shared ??= Guest.boot({ name: 'shared', memoryMib: 2048 })
  return shared
}

/** As `describe`, for tests that need the lab: skipped where it cannot be (`setup.ts` says why, and fails where CI is set). */
export const describeLab = describe.skipIf(missingForLab() !== undefined)
