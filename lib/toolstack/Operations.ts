import { XapiError, type Ref } from '../xapi/XapiClient.ts'
import type { Call } from './Call.ts'
import { withoutKey } from './maps.ts'
import { checkVmOperation } from './rules-vm.ts'
import { checkSrOperation, checkVdiOperation } from './rules.ts'
import type { Store } from './Store.ts'

/** An operation to be shown on an object while it runs. */
export interface Mark {
  readonly className: 'SR' | 'VDI' | 'VM'
  readonly ref: Ref
  readonly operation: string
}

/**
 * Keeps operations apart that must not run at the same time (spec toolstack 6): each is written into
 * `current_operations` of its objects while it runs. Who conflicts with one in progress waits for its end.
 */
export class Operations {
  readonly #store: Store
  readonly #waitMs: number
  readonly #waiting = new Set<() => void>()

  /** `waitMs`: how long an operation waits for others, in milliseconds. */
  constructor(store: Store, waitMs: number) {
    this.#store = store
    this.#waitMs = waitMs
  }

  /** Runs `body` with all marks set. Throws XapiError where the rules forbid one of the operations. */
  async run<T>(call: Call, marks: readonly Mark[], body: () => Promise<T>): Promise<T> {
    await this.#acquire(call, marks)
    try {
      return await body()
    } finally {
      for (const mark of marks) this.#unmark(call.task, mark)
      for (const wake of [...this.#waiting]) wake()
    }
  }

  /** Between the last check and the marks nothing else can run. */
  async #acquire(call: Call, marks: readonly Mark[]): Promise<void> {
    const deadline = performance.now() + this.#waitMs
    for (;;) {
      const conflict = this.#conflict(marks)
      if (conflict === undefined) break
      const left = deadline - performance.now()
      if (left <= 0) throw conflict
      await this.#nextEnd(left)
    }
    for (const mark of marks) this.#mark(call.task, mark)
  }

  #conflict(marks: readonly Mark[]): XapiError | undefined {
    try {
      for (const mark of marks) this.#check(mark)
      return undefined
    } catch (error) {
      if (error instanceof XapiError && error.code === 'OTHER_OPERATION_IN_PROGRESS') return error
      throw error
    }
  }

  #check({ className, ref, operation }: Mark): void {
    if (className === 'SR') checkSrOperation(this.#store, ref, operation)
    else if (className === 'VM') checkVmOperation(this.#store, ref, operation)
    else checkVdiOperation(this.#store, ref, operation)
  }

  #nextEnd(milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, Math.min(milliseconds, 2 ** 31 - 1))
      this.#waiting.add(wake)
    })
  }

  #mark(task: Ref, { className, ref, operation }: Mark): void {
    const { current_operations: current } = this.#store.get(className, ref)
    this.#store.update(className, ref, { current_operations: { ...current, [task]: operation } })
  }

  /** The object may be gone: some operations end with it. */
  #unmark(task: Ref, { className, ref }: Mark): void {
    const record = this.#store.find(className, ref)
    if (record === undefined) return
    this.#store.update(className, ref, { current_operations: withoutKey(record.current_operations, task) })
  }
}
