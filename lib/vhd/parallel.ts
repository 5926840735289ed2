/** Runs `task` for every item, at most `limit` at a time, started in order. When one fails no further ones start; the first error is thrown once all have ended. */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const pool = new Pool(limit)
  for (const item of items) {
    if (pool.failed) break
    await pool.add(() => task(item))
  }
  await pool.drain()
}

/** At most `limit` tasks at a time. */
export class Pool {
  readonly #limit: number
  readonly #running = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Starts a task at once or when there is room; resolves when it has started. */
  async add(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running)
    const running = this.#watch(task)
    this.#running.add(running)
    void running.then(() => this.#running.delete(running))
  }

  /** Waits for all tasks, whatever becomes of them. */
  async settle(): Promise<void> {
    await Promise.all(this.#running)
  }

  /** Waits for all tasks. Throws the first error of any. */
  async drain(): Promise<void> {
    await this.settle()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #watch(task: () => Promise<void>): Promise<void> {
    try {
      await task()
    } catch (error) {
      this.#failure ??= { error }
    }
  }
}
