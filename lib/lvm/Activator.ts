import type { RefCounter } from './RefCounter.ts'
import type { VolumeGroup } from './VolumeGroup.ts'

/** A VDI's volume to be held active. */
export interface Activation {
  readonly uuid: string
  readonly volume: string
}

/**
 * Keeps volumes active for a call or for an attachment, counted on this host (spec lvhd 10). A volume is mapped with its
 * first reference and unmapped with its last.
 *
 * A call's own references are dropped by `release`, which belongs into a `finally`. An attachment's stay once `persist`
 * was called; before, `release` drops them too. All commands are batched: one process activates, one deactivates.
 */
export class Activator {
  readonly #group: VolumeGroup
  readonly #references: RefCounter

  constructor(group: VolumeGroup, references: RefCounter) {
    this.#group = group
    this.#references = references
  }

  /** Holds volumes active until `release`; one that this call holds already is left as it is. */
  async hold(activations: readonly Activation[]): Promise<void> {
    return notYet(this.#group, this.#references, activations)
  }

  /** As `hold` for a volume this call has just made, which is active already. */
  async adopt(activation: Activation): Promise<void> {
    return notYet(activation)
  }

  /** The volume of a held VDI has been renamed; its reference moves along. */
  async renamed(from: Activation, to: Activation): Promise<void> {
    return notYet(from, to)
  }

  /** The volume of a VDI has been removed: its reference is forgotten. */
  async removed(uuid: string): Promise<void> {
    return notYet(uuid)
  }

  /** Attaches a leaf (binary reference) with its ancestors (counted). Nothing is counted where it is attached already. */
  async attach(leaf: Activation, ancestors: readonly Activation[]): Promise<void> {
    return notYet(leaf, ancestors)
  }

  /** What was attached stays so when this call ends. */
  persist(): void {
    throw new Error('not written yet')
  }

  /** Ends an attachment. Nothing happens where the leaf is not attached. @throws LvmError where a volume cannot be unmapped */
  async detach(leaf: Activation, ancestors: readonly Activation[]): Promise<void> {
    return notYet(leaf, ancestors)
  }

  /** Drops what this call holds. A volume that somebody has open stays active, with a warning. @throws LvmError */
  async release(): Promise<void> {
    return notYet()
  }
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
