interface Held {
  readonly first: number
  readonly end: number
  readonly done: Promise<void>
}

/** Runs tasks on ranges `[first, end)`: at the same time where they do not overlap, in the order they came where they do. */
export class RangeLock {
  readonly #held = new Set<Held>()

  async run<T>(first: number, end: number, task: () => Promise<T>): Promise<T> {
    const earlier = [...this.#held].filter(other => other.first < end && first < other.end)
    let release = (): void => undefined
    const done = new Promise<void>(resolve => {
      release = resolve
    })
    const mine = { first, end, done }
    this.#held.add(mine)
    try {
      if (earlier.length > 0) await Promise.all(earlier.map(other => other.done))
      return await task()
    } finally {
      this.#held.delete(mine)
      release()
    }
  }
}
