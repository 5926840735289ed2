import table from './sm-errors.json' with { type: 'json' }

/** Every error the plugins can answer with: name -> {code, description}. Data: `sm-errors.json`. */
const byName = new Map(table.map(entry => [entry.name, entry]))

/** An SM error name, e.g. `VDIInUse`. */
export type SmErrorName = string

/**
 * The one error class of drivers: it becomes an XML-RPC fault (spec smapi 4).
 *
 * `detail` is what operators and tests match on (`[opterr=…]`); the description before it is ours.
 */
export class SmError extends Error {
  readonly errorName: SmErrorName
  readonly code: number
  readonly detail: string | undefined

  constructor(errorName: SmErrorName, detail?: string, options?: ErrorOptions) {
    const entry = byName.get(errorName)
    if (entry === undefined) throw new TypeError(`unknown SM error name ${errorName}`)
    super(detail === undefined ? entry.description : `${entry.description} [opterr=${detail}]`, options)
    this.name = 'SmError'
    this.errorName = errorName
    this.code = entry.code
    this.detail = detail
  }
}

export function isSmError(error: unknown, errorName: SmErrorName): error is SmError {
  return error instanceof SmError && error.errorName === errorName
}

/** The table's names, for tests and documentation. */
export function smErrorNames(): string[] {
  return [...byName.keys()]
}
