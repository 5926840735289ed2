import type { Call } from '../Call.ts'
import type { ArgumentOf, ParamType, ResultType } from './types.ts'

/** A parameter after the session. */
export interface Param {
  readonly name: string
  readonly type: ParamType
  /** What an older client means by leaving it out. */
  readonly fallback?: unknown
}

/** A XenAPI call. */
export interface ApiMethod {
  readonly name: string
  readonly params: readonly Param[]
  readonly result: ResultType
  /** Whether the first parameter is a session. */
  readonly needsSession: boolean
  /** Whether there is an `Async.` form. */
  readonly hasAsync: boolean
  run(call: Call, args: Readonly<Record<string, unknown>>): unknown
}

export type Params = Readonly<Record<string, ParamType>>
/** What a handler is given: a value for each declared parameter. */
export type Arguments<P extends Params> = { readonly [N in keyof P]: ArgumentOf<P[N]> }

export interface MethodOptions<P extends Params> {
  /** Parameters that may be left out, with what that means. Only the last ones. */
  readonly fallbacks?: Partial<Arguments<P>>
  readonly needsSession?: boolean
  readonly hasAsync?: boolean
}

/** Declares a call: its name, the types of its parameters in order, the type of its result, and what it does. */
export function method<const P extends Params>(
  [name, params, result]: readonly [name: string, params: P, result: ResultType],
  run: (call: Call, args: Arguments<P>) => unknown,
  { fallbacks = {}, needsSession = true, hasAsync = true }: MethodOptions<P> = {},
): ApiMethod {
  const byName = fallbacks as Readonly<Record<string, unknown>>
  return {
    name,
    params: Object.entries(params).map(([paramName, type]) => ({
      name: paramName,
      type,
      ...(Object.hasOwn(byName, paramName) ? { fallback: byName[paramName] } : {}),
    })),
    result,
    needsSession,
    hasAsync,
    run: (call, args) => run(call, args as Arguments<P>),
  }
}
