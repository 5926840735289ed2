import { Effects, type EffectKind } from '../../lib/os/effects.ts'

/** What a process that is killed does from then on: nothing. */
export class KilledError extends Error {}

/**
 * Stops a plugin that runs in the test's own process as `SM_FIST` would stop one of its own: what is to be killed finds
 * from then on that nothing it does takes place. Traces and errors are those of `Effects`.
 */
export class BoxEffects extends Effects {
  readonly #kills: ReadonlySet<string>
  #count = 0
  #isDead = false

  constructor(fist = '') {
    const entries = fist.split(',').filter(entry => entry !== '')
    const isKill = (entry: string) => !entry.startsWith('trace:') && !entry.includes('=')
    super(entries.filter(entry => !isKill(entry)).join(','))
    this.#kills = new Set(entries.filter(isKill))
  }

  get isDead(): boolean {
    return this.#isDead
  }

  override before(kind: EffectKind, detail: string): void {
    this.#count += 1
    // A process that dies leaves its locks to others.
    if (this.#isDead && kind !== 'lock') throw new KilledError(`before ${kind} ${detail}`)
    this.#killAt(`effect:${this.#count}`)
    if (!this.#isDead) super.before(kind, detail)
  }

  override point(name: string): void {
    if (this.#isDead) throw new KilledError(`at ${name}`)
    this.#killAt(name)
    super.point(name)
  }

  #killAt(place: string): void {
    if (this.#isDead || !this.#kills.has(place)) return
    this.#isDead = true
    throw new KilledError(`at ${place}`)
  }
}
