/** Lets many tasks pass at a time, or one alone. Who waits to be alone goes before those who come later. */
export class Gate {
  #inside = 0
  #alone: Promise<unknown> | undefined
  #emptied: (() => void) | undefined

  /** Runs beside the others; starts before this returns where nobody is or waits to be alone. */
  async pass<T>(task: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    this.#inside += 1
    try {
      return await task()
    } finally {
      this.#inside -= 1
      if (this.#inside === 0) this.#emptied?.()
    }
  }

  /** Runs when those inside have left, and keeps others out meanwhile. */
  async alone<T>(task: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    const turn = this.#whenEmpty()
      .then(task)
      .finally(() => {
        this.#alone = undefined
      })
    this.#alone = turn.then(ignore, ignore)
    return turn
  }

  async #whenEmpty(): Promise<void> {
    if (this.#inside === 0) return
    await new Promise<void>(resolve => {
      this.#emptied = resolve
    })
    this.#emptied = undefined
  }
}

/** The outcome is its caller's; those who wait only want the end. */
function ignore(): void {
  return undefined
}
