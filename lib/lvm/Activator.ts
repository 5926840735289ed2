import { isLvmError } from './LvmError.ts'
import type { RefCounter, ReferenceKind } from './RefCounter.ts'
import type { VolumeGroup } from './VolumeGroup.ts'

/** A VDI's volume to be held active. */
export interface Activation {
  readonly uuid: string
  readonly volume: string
}

interface Held extends Activation {
  readonly kind: ReferenceKind
}

/**
 * Keeps volumes active for a call or for an attachment, counted on this host (spec lvhd 10). A volume is mapped with its
 * first reference and unmapped with its last.
 *
 * A call's own references are dropped by `release`, which belongs into a `finally`. An attachment's stay once `persist`
 * was called; before, `release` drops them too. Commands are batched: one process maps, one unmaps.
 */
export class Activator {
  readonly #group: VolumeGroup
  readonly #references: RefCounter
  readonly #held = new Map<string, Held>()
  #attached: Held[] = []

  constructor(group: VolumeGroup, references: RefCounter) {
    this.#group = group
    this.#references = references
  }

  /**
   * Holds volumes active until `release`; one that this call holds already is left as it is.
   * @throws LvmError, SmError SRUnavailable (47); what was counted is dropped by `release`
   */
  async hold(activations: readonly Activation[]): Promise<void> {
    const fresh = activations.filter(({ uuid }) => !this.#held.has(uuid))
    if (fresh.length === 0) return
    await this.#locked(fresh, async () => {
      for (const activation of fresh) await this.adopt(activation)
      await this.#group.activate(fresh.map(({ volume }) => volume))
    })
  }

  /** As `hold` for a volume this call has just made, which is active already. */
  async adopt(activation: Activation): Promise<void> {
    await this.#references.get(activation.uuid, 'count')
    this.#held.set(activation.uuid, { ...activation, kind: 'count' })
  }

  /** The volume of a held VDI has become another VDI's: this call's reference moves along. */
  async renamed(from: string, to: Activation): Promise<void> {
    if (!this.#held.delete(from)) return
    await this.#references.put(from, 'count')
    await this.adopt(to)
  }

  /** The volume of a VDI has been removed: this call's reference is dropped, and there is nothing to unmap. */
  async removed(uuid: string): Promise<void> {
    if (this.#held.delete(uuid)) await this.#references.put(uuid, 'count')
  }

  /** Attaches a leaf (binary reference) with its ancestors (counted). Nothing is counted where it is attached already. */
  async attach(leaf: Activation, ancestors: readonly Activation[]): Promise<void> {
    const chain = chainOf(leaf, ancestors)
    await this.#locked(chain, async () => {
      const isAttached = (await this.#references.read(leaf.uuid)).binary === 1
      for (const held of isAttached ? [] : chain) {
        await this.#references.get(held.uuid, held.kind)
        this.#attached.push(held)
      }
      await this.#group.activate(chain.map(({ volume }) => volume))
    })
  }

  /** What was attached stays so when this call ends. */
  persist(): void {
    this.#attached = []
  }

  /**
   * Ends an attachment. Nothing happens where the leaf is not attached.
   * @throws LvmError where a volume cannot be unmapped: its reference is there again
   */
  async detach(leaf: Activation, ancestors: readonly Activation[]): Promise<void> {
    const chain = chainOf(leaf, ancestors)
    await this.#locked(chain, async () => {
      if ((await this.#references.read(leaf.uuid)).binary === 1) await this.#drop(chain)
    })
  }

  /**
   * Drops what this call holds. A volume that somebody has open stays mapped, with a warning.
   * @throws LvmError where another cannot be unmapped: its reference is there again
   */
  async release(): Promise<void> {
    const dropped = [...this.#attached, ...this.#held.values()]
    this.#attached = []
    this.#held.clear()
    await this.#locked(dropped, () => this.#drop(dropped))
  }

  /** Counting and mapping are one step to every other process: else one could unmap what another has just counted. */
  async #locked(activations: readonly Activation[], body: () => Promise<void>): Promise<void> {
    const uuids = activations.map(({ uuid }) => uuid)
    await this.#references.locked(uuids, body)
  }

  async #drop(references: readonly Held[]): Promise<void> {
    const unused: Held[] = []
    for (const held of references) {
      if ((await this.#references.put(held.uuid, held.kind)) === 0) unused.push(held)
    }
    if (unused.length === 0) return
    try {
      await this.#unmap(unused)
    } catch (error) {
      for (const { uuid, kind } of await this.#stillMapped(unused)) await this.#references.get(uuid, kind)
      throw error
    }
  }

  /** LVM goes on after a volume that is open, so what is left then is open. */
  async #unmap(unused: readonly Held[]): Promise<void> {
    try {
      await this.#group.deactivate(unused.map(({ volume }) => volume))
    } catch (error) {
      if (!isLvmError(error, 'inUse')) throw error
      for (const { volume } of await this.#stillMapped(unused)) {
        if ((await this.#group.volume(volume))?.open !== true) throw error
        this.#group.lvm.deps.log.warn(`${volume} stays active: somebody has it open`)
      }
    }
  }

  async #stillMapped(unused: readonly Held[]): Promise<Held[]> {
    const mapped: Held[] = []
    for (const held of unused) if ((await this.#group.volume(held.volume))?.active === true) mapped.push(held)
    return mapped
  }
}

function chainOf(leaf: Activation, ancestors: readonly Activation[]): Held[] {
  return [{ ...leaf, kind: 'binary' }, ...ancestors.map(ancestor => ({ ...ancestor, kind: 'count' }) as const)]
}
