import { parseSize } from '../cli/format/sizes.ts'
import type { CommandLine } from './CommandLine.ts'
import { XeError } from './failures.ts'

/** The parameters of one command. Every accessor throws XeError where a value is missing or malformed. */
export class Params {
  readonly #pairs: CommandLine['params']
  readonly #flags: CommandLine['flags']

  constructor({ params, flags }: CommandLine) {
    this.#pairs = params
    this.#flags = flags
  }

  get pairs(): CommandLine['params'] {
    return this.#pairs
  }

  flag(name: string): boolean {
    return this.#flags.has(name) || this.find(name) === 'true'
  }

  find(...names: readonly string[]): string | undefined {
    return this.#pairs.find(([key]) => names.includes(key))?.[1]
  }

  text(...names: readonly string[]): string {
    const value = this.find(...names)
    if (value === undefined) throw new XeError(`Required parameter not found: ${names[0] ?? ''}`)
    return value
  }

  bool(name: string, fallback: boolean): boolean {
    const value = this.find(name)
    if (value === undefined) return fallback
    if (/^(true|t|yes|y|1)$/i.test(value)) return true
    if (/^(false|f|no|n|0)$/i.test(value)) return false
    throw new XeError(`Failed to parse parameter '${name}': expecting 'true' or 'false'`)
  }

  /** Bytes, with `KiB`, `MiB`, `GiB`, `TiB` understood; as text, which is how XenAPI takes them. */
  size(name: string, fallback?: string): string {
    return String(parseSize(fallback === undefined ? this.text(name) : (this.find(name) ?? fallback)))
  }

  /** The entries of a map parameter, given as `prefix:key=value` or `prefix-key=value`. */
  map(prefix: string): Record<string, string> {
    const entries = this.#pairs
      .filter(([key]) => key.startsWith(`${prefix}:`) || key.startsWith(`${prefix}-`))
      .map(([key, value]) => [key.slice(prefix.length + 1), value])
    return Object.fromEntries(entries) as Record<string, string>
  }

  has(prefix: string): boolean {
    return Object.keys(this.map(prefix)).length > 0
  }
}
