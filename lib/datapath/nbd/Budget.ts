/** Hands out a limited amount of something, in the order of asking. */
export class Budget {
  #left: number
  readonly #waiting: { readonly amount: number; readonly go: () => void }[] = []

  constructor(amount: number) {
    this.#left = amount
  }

  /** Waits until there is enough. `amount` must not exceed the whole budget. */
  async take(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && amount <= this.#left) {
      this.#left -= amount
      return
    }
    await new Promise<void>(go => {
      this.#waiting.push({ amount, go })
    })
  }

  give(amount: number): void {
    this.#left += amount
    for (let next = this.#waiting[0]; next !== undefined && next.amount <= this.#left; next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#left -= next.amount
      next.go()
    }
  }
}
