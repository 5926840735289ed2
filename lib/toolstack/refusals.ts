import { XapiError, type Ref } from '../xapi/XapiClient.ts'

/** The error for an operation that conflicts with one that runs. */
export function inProgress(className: string, ref: Ref, [task, operation]: [string, string]): XapiError {
  return new XapiError('OTHER_OPERATION_IN_PROGRESS', [className, ref, operation, task])
}

/** Whether a check lets an operation pass. */
export function isAllowed(check: () => void): boolean {
  try {
    check()
    return true
  } catch (error) {
    if (error instanceof XapiError) return false
    throw error
  }
}
