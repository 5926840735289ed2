/** The command line makes no sense, or the command cannot be done as things are: told as it is, exit code 1. */
export class XeError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'XeError'
  }
}
