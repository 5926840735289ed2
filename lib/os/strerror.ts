import { getSystemErrorMap } from 'node:util'

/** Where the C library's text, which operators search for, is not Node's. */
const C_LIBRARY_TEXTS = new Map([
  ['EIO', 'Input/output error'],
  ['ENOMEM', 'Cannot allocate memory'],
  ['EBUSY', 'Device or resource busy'],
  ['EEXIST', 'File exists'],
  ['EISDIR', 'Is a directory'],
  ['EXDEV', 'Invalid cross-device link'],
  ['ERANGE', 'Numerical result out of range'],
])

/** The system's text for a positive errno, e.g. `Invalid argument`; undefined where the number is none. */
export function strerror(errno: number): string | undefined {
  const entry = getSystemErrorMap().get(-errno)
  if (entry === undefined) return undefined
  const [name, text] = entry
  return C_LIBRARY_TEXTS.get(name) ?? text.charAt(0).toUpperCase() + text.slice(1)
}
