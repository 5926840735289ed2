import type { XapiValue } from './XapiClient.ts'

/** What a server made of a call: a value, or `[code, ...params]`. */
export type XapiAnswer = { readonly value: unknown } | { readonly failure: readonly string[] }

/** One of the two ways XenAPI calls travel over HTTP (spec toolstack 2). */
export interface XapiProtocol {
  readonly path: string
  readonly contentType: string
  encode(method: string, params: readonly XapiValue[]): string
  /** Undefined where the text is well formed but no answer; may throw where it is not well formed. */
  decode(body: string): XapiAnswer | undefined
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
