/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** The operation cannot be done as things are: exit code 1. `advice` says what to do next, a line each. */
export class OperationError extends Error {
  readonly advice: readonly string[]

  constructor(message: string, advice: readonly string[] = [], options?: ErrorOptions) {
    super(message, options)
    this.name = 'OperationError'
    this.advice = advice
  }
}

/** Everything has been said on standard output already, and the answer is no: exit code 1 without a message. */
export class Refused extends Error {
  constructor() {
    super('refused')
    this.name = 'Refused'
  }
}
