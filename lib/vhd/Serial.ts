/** Runs one task after the other in the order of the calls. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  /** The task's own result; a failed task does not stop the next one. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(task, task)
    this.#last = mine
    return mine
  }
}
