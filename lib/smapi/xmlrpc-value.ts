/** A date as it travels, e.g. `19700101T00:00:00Z`; nothing is assumed about its form. */
export class XmlDate {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A decoded XML-RPC value. Structs have no prototype, so that no member name is special. */
export type XmlValue = string | number | boolean | null | XmlDate | XmlValue[] | { [key: string]: XmlValue }

/** What can be encoded: an `XmlValue` that may be read-only. */
export type XmlInput =
  string | number | boolean | null | XmlDate | readonly XmlInput[] | { readonly [key: string]: XmlInput }

/** A document that is no XML-RPC, or a value that XML-RPC cannot carry. */
export class XmlRpcError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'XmlRpcError'
  }
}

/** Whether a decoded value is a struct. */
export function isStruct(value: XmlValue | undefined): value is { [key: string]: XmlValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof XmlDate)
}
