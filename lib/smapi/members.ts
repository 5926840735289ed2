import { SmError } from './SmError.ts'
import { isStruct, type XmlValue } from './xmlrpc.ts'

type Struct = Readonly<Record<string, XmlValue>>

/** Forms of request members. What is used in paths and command lines is checked here, once (spec smapi 2.2). */
export const memberForms = {
  uuid: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  /** `OpaqueRef:…`: printable ASCII without quotes, backslash or brackets. */
  ref: /^[\x20\x21\x23-\x26\x28-\x3b\x3d\x3f-\x5b\x5d-\x5f\x61-\x7e]{1,255}$/,
  /** Sent on as an HTTP header. */
  task: /^[\x20-\x7e]{1,512}$/,
  location: /^(?!\.{1,2}$)[^/\p{Cc}]{1,255}$/u,
  word: /^[a-z_]{1,40}$/,
  boolean: /^(?:true|false)$/,
  onBoot: /^(?:persist|reset)$/,
}

export function isUuid(text: string): boolean {
  return memberForms.uuid.test(text)
}

/** A string member; absent and empty are the same. Throws InvalidArg (1) where it is no string or not of the form. */
export function stringMember(struct: Struct, name: string, form: RegExp): string | undefined {
  const value = struct[name]
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string' || !form.test(value)) throw new SmError('InvalidArg', `${name}: malformed`)
  return value
}

/** A struct member of strings, empty where absent. Throws InvalidArg (1) for any other content. */
export function mapMember(struct: Struct, name: string): Readonly<Record<string, string>> {
  const value = struct[name]
  const map = Object.create(null) as Record<string, string>
  if (value === undefined) return map
  if (!isStruct(value)) throw new SmError('InvalidArg', `${name}: not a struct`)
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new SmError('InvalidArg', `${name}: ${key} is not a string`)
    map[key] = text
  }
  return map
}

/** A list member of strings, empty where absent. Throws InvalidArg (1) for any other content. */
export function listMember(struct: Struct, name: string): readonly string[] {
  const value = struct[name] ?? []
  if (!Array.isArray(value)) throw new SmError('InvalidArg', `${name}: not an array`)
  return value.map(item => {
    if (typeof item !== 'string') throw new SmError('InvalidArg', `${name}: not an array of strings`)
    return item
  })
}
