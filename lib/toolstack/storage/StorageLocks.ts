import type { VdiPlace } from './Storage.ts'

interface SrState {
  readonly busyVdis: Set<string>
  isExclusive: boolean
  /** Those who wait, in order of arrival. */
  waiting: (() => void)[]
}

/** Locks of disks, and of SRs with all their disks. They exclude each other within this process. */
export class StorageLocks {
  readonly #srs = new Map<string, SrState>()

  withVdi<T>({ sr, vdi }: VdiPlace, body: () => Promise<T>): Promise<T> {
    const isFree = (state: SrState) => !state.isExclusive && !state.busyVdis.has(vdi)
    return this.#holding(sr, isFree, {
      take: state => state.busyVdis.add(vdi),
      release: state => state.busyVdis.delete(vdi),
      body,
    })
  }

  /** Waits for the SR's disks, and keeps them. */
  withSr<T>(sr: string, body: () => Promise<T>): Promise<T> {
    const isFree = (state: SrState) => !state.isExclusive && state.busyVdis.size === 0
    return this.#holding(sr, isFree, {
      take: state => (state.isExclusive = true),
      release: state => (state.isExclusive = false),
      body,
    })
  }

  async #holding<T>(sr: string, isFree: (state: SrState) => boolean, { take, release, body }: Held<T>): Promise<T> {
    const state = this.#srs.get(sr) ?? { busyVdis: new Set(), isExclusive: false, waiting: [] }
    this.#srs.set(sr, state)
    while (!isFree(state)) await new Promise<void>(resolve => state.waiting.push(resolve))
    take(state)
    try {
      return await body()
    } finally {
      release(state)
      this.#wake(sr, state)
    }
  }

  #wake(sr: string, state: SrState): void {
    const { waiting } = state
    state.waiting = []
    for (const wake of waiting) wake()
    if (waiting.length === 0 && !state.isExclusive && state.busyVdis.size === 0) this.#srs.delete(sr)
  }
}

interface Held<T> {
  readonly take: (state: SrState) => unknown
  readonly release: (state: SrState) => unknown
  readonly body: () => Promise<T>
}
