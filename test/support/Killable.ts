import { Effects, errnoError, type EffectKind } from '../../lib/os/effects.ts'

/** From the `after`-th effect on none takes place: what a process that is killed before it leaves. */
export class Killable extends Effects {
  readonly #after: number
  #count = 0

  constructor(after: number, observe: (what: string) => void) {
    super('', (_index: number, kind: EffectKind, detail: string) => {
      observe(`${kind} ${detail}`)
    })
    this.#after = after
  }

  override before(kind: EffectKind, detail: string): void {
    // A process that dies leaves its locks to others.
    if (kind !== 'lock') this.#count += 1
    if (kind !== 'lock' && this.#count >= this.#after) throw errnoError('EKILLED', `before ${kind} ${detail}`)
    super.before(kind, detail)
  }
}
