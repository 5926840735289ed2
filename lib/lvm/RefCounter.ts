import type { LvmDeps } from './Lvm.ts'

/** Who holds a volume active on this host: `count` users of any kind, and whether the VDI itself is attached. */
export interface References {
  readonly count: number
  readonly binary: 0 | 1
}

export type ReferenceKind = 'count' | 'binary'

/**
 * The refcounts of one SR's volumes on this host, in the reference's files `/run/sm/refcount/lvm-<sr uuid>/<vdi uuid>`
 * (spec lvhd 10). Each method holds the lock `lvm-<sr uuid>/<vdi uuid>` meanwhile.
 */
export class RefCounter {
  readonly #deps: LvmDeps
  readonly #srUuid: string

  constructor(deps: LvmDeps, srUuid: string) {
    this.#deps = deps
    this.#srUuid = srUuid
  }

  /** Runs `body` under the lock of this VDI's refcount. */
  async locked<T>(vdiUuid: string, body: () => Promise<T>): Promise<T> {
    return notYet(this.#deps, this.#srUuid, vdiUuid, body)
  }

  /** No file means no references. A file that cannot be understood counts as none and is told to the log. */
  async read(vdiUuid: string): Promise<References> {
    return notYet(vdiUuid)
  }

  /** Sets both; no references remove the file. */
  async write(vdiUuid: string, references: References): Promise<void> {
    return notYet(vdiUuid, references)
  }

  /** Adds a reference; returns how many there are now, both kinds together. */
  async get(vdiUuid: string, kind: ReferenceKind): Promise<number> {
    return notYet(vdiUuid, kind)
  }

  /** Drops a reference, never below none; returns how many are left. */
  async put(vdiUuid: string, kind: ReferenceKind): Promise<number> {
    return notYet(vdiUuid, kind)
  }

  /** Forgets a VDI that is gone: its references and its lock file. */
  async forget(vdiUuid: string): Promise<void> {
    return notYet(vdiUuid)
  }

  /** Forgets all references of the SR: at the start and at the end of an attachment. */
  async forgetAll(): Promise<void> {
    return notYet()
  }
}

function notYet(...args: unknown[]): Promise<never> {
  return Promise.reject(new Error(`not written yet: ${args.length}`))
}
