import { XapiError } from '../../lib/xapi/XapiClient.ts'
import type { ClassName } from './agent/objects.ts'

/** What the host asks of a guest's agent. Carried by v8.serialize, so maps, buffers and undefined survive. */
export type Question =
  | { readonly kind: 'run'; readonly script: string; readonly timeoutMs: number }
  | { readonly kind: 'make'; readonly object: number; readonly className: ClassName; readonly options: unknown }
  | { readonly kind: 'call'; readonly object: number; readonly method: string; readonly args: readonly unknown[] }
  | { readonly kind: 'halt' }

export interface RunOutcome {
  /** Undefined where a signal or the time limit ended it. */
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export type Answer = { readonly value: unknown } | { readonly error: ErrorRecord }

/** An error on its way between two processes. */
interface ErrorRecord {
  readonly message: string
  readonly stack: string
  readonly code?: string
  readonly params?: readonly string[]
}

export function errorRecord(error: unknown): ErrorRecord {
  if (!(error instanceof Error)) return { message: String(error), stack: '' }
  const plain = { message: error.message, stack: error.stack ?? '' }
  return error instanceof XapiError ? { ...plain, code: error.code, params: error.params } : plain
}

/** The error again, of its own class where tests look at that. */
export function errorOf({ message, stack, code, params }: ErrorRecord): Error {
  if (code !== undefined && params !== undefined) return new XapiError(code, [...params])
  return new Error(message, { cause: `in the guest: ${stack}` })
}
