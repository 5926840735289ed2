import { SR_REF as OUR_SR } from './sm-transcripts-box.ts'

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
/** In a name of the device-mapper. */
const DOUBLED_UUID = /[0-9a-f]{8}(?:--[0-9a-f]{4}){3}--[0-9a-f]{12}/g
const SR_REF = /OpaqueRef:sr-\d+/g
const VDI_REF = /OpaqueRef:vdi-\d+/g
const SESSION_REF = /OpaqueRef:session-\d+/g

/** Which of our names stands for which recorded one. A uuid that was never paired stands for itself: the scenario chose it. */
export class Names {
  readonly #ours = new Map<string, string>()
  readonly #recorded = new Map<string, string>()
  readonly #places: readonly (readonly [recorded: string, ours: string])[]

  /** `places`: recorded paths and ours, the longer of ours first. */
  constructor(places: readonly (readonly [recorded: string, ours: string])[]) {
    this.#places = places
  }

  /** The first pairing of a name is the one that counts. */
  pair(recorded: string, ours: string): void {
    if (this.#ours.has(recorded) || this.#recorded.has(ours)) return
    this.#ours.set(recorded, ours)
    this.#recorded.set(ours, recorded)
  }

  isPaired(recorded: string): boolean {
    return this.#ours.has(recorded)
  }

  ourUuid(recorded: string): string {
    return this.#ours.get(recorded) ?? recorded
  }

  recordedUuid(ours: string): string {
    return this.#recorded.get(ours) ?? ours
  }

  /** A recorded request as we have to send it. */
  toOurs(text: string, session: string): string {
    const named = text
      .replace(SESSION_REF, session)
      .replace(SR_REF, OUR_SR)
      .replace(VDI_REF, ref => this.#ours.get(ref) ?? ref)
      .replace(UUID, uuid => this.ourUuid(uuid))
    return this.#places.reduce((result, [recorded, ours]) => {
      return recorded === '' ? result : result.replaceAll(recorded, ours)
    }, named)
  }

  /** Recorded texts with their uuids as ours. */
  ourValues(map: Readonly<Record<string, unknown>>): Record<string, string> {
    const entries = Object.entries(map).map(([key, value]) => [key, this.ourUuid(String(value))] as const)
    return Object.fromEntries(entries)
  }

  /** Text of ours, in recorded names. */
  toRecorded(text: string): string {
    const placed = this.#places.reduce((result, [recorded, ours]) => result.replaceAll(ours, recorded), text)
    return placed
      .replace(UUID, uuid => this.recordedUuid(uuid))
      .replace(DOUBLED_UUID, uuid => this.recordedUuid(uuid.replaceAll('--', '-')).replaceAll('-', '--'))
  }

  /** Every text in a value, keys included, in recorded names. */
  valueToRecorded(value: unknown): unknown {
    if (typeof value === 'string') return this.toRecorded(value)
    if (Array.isArray(value)) return value.map(item => this.valueToRecorded(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.toRecorded(key), this.valueToRecorded(item)]),
    )
  }
}
