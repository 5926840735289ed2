/** `OpaqueRef:…` */
export type Ref = string

export type StringMap = Readonly<Record<string, string>>

/** A XenAPI failure as the server told it: `[code, ...params]`. */
export class XapiError extends Error {
  readonly code: string
  readonly params: readonly string[]

  constructor(code: string, params: readonly string[]) {
    super(params.length === 0 ? code : `${code}: ${params.join(', ')}`)
    this.name = 'XapiError'
    this.code = code
    this.params = params
  }
}

/** The endpoint could not be reached or did not speak XenAPI (SM error APIProtocolError). */
export class XapiTransportError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'XapiTransportError'
  }
}

/** A value as it travels: 64-bit integers are decimal strings in XML-RPC and numbers in JSON-RPC; callers pass them as strings. */
export type XapiValue = string | number | boolean | null | readonly XapiValue[] | { readonly [key: string]: XapiValue }

/** One session on one endpoint. `call` puts the session reference in front of the arguments. */
export interface XapiCaller {
  call(method: string, ...args: XapiValue[]): Promise<unknown>
}
