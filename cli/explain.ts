import { getSystemErrorMap } from 'node:util'
import { OperationError, UsageError } from './failures.ts'
import { adviceForSmCode, adviceForXapiCode } from './advice.ts'
import { printable } from './format/text.ts'

/** A failure as the user is told it. */
export interface Explanation {
  readonly message: string
  readonly advice: readonly string[]
  readonly isUsage: boolean
}

/** Puts any failure into words: what went wrong, with its code, and what to do next. */
export async function explainFailure(error: unknown): Promise<Explanation> {
  if (error instanceof UsageError) return { message: error.message, advice: [], isUsage: true }
  if (error instanceof OperationError) return { message: error.message, advice: error.advice, isUsage: false }
  const [{ XapiError, XapiTransportError }, { SmError }, { VhdError }, { StateFileError }] = await Promise.all([
    import('../lib/xapi/XapiClient.ts'),
    import('../lib/smapi/SmError.ts'),
    import('../lib/vhd/VhdUtil.ts'),
    import('../lib/toolstack/StateFile.ts'),
  ])
  if (error instanceof XapiError) return explainXapiError(error.code, error.params)
  if (error instanceof SmError) {
    return failure(`${error.errorName} (${error.code}): ${error.message}`, adviceForSmCode(error.code))
  }
  if (error instanceof XapiTransportError) {
    return failure(
      `the toolstack does not answer: ${error.message}`,
      'Check SM_XAPI_URL, or unset it to work without one.',
    )
  }
  if (error instanceof VhdError) {
    return failure(
      `${error.code}: ${error.message}`,
      'See the chain with sm tree; sm sr-scan SR finishes interrupted operations.',
    )
  }
  if (error instanceof StateFileError) {
    return failure(
      error.message,
      'The disks are untouched. Put a copy of the file back; without one, move it away: xe sr-introduce brings storage back.',
    )
  }
  return explainOther(error)
}

/** Errors of the system explain themselves. Anything else is a mistake in this program, and where it was helps. */
function explainOther(error: unknown): Explanation {
  if (!(error instanceof Error)) return failure(String(error), undefined)
  if ('code' in error) return failure(error.message, undefined)
  const trace = (error.stack ?? '').split('\n').slice(1)
  return { message: printable(error.message), advice: trace.map(printable), isUsage: false }
}

/** The name of an SM error by its code, undefined for a code that is not in the table. */
export async function smErrorName(code: number): Promise<string | undefined> {
  const { default: table } = await import('../lib/smapi/sm-errors.json', { with: { type: 'json' } })
  return table.find(entry => entry.code === code)?.name
}

/** `SR_BACKEND_FAILURE_n` carries the SM error: code, then description and detail in the second parameter. */
async function explainXapiError(code: string, params: readonly string[]): Promise<Explanation> {
  const [, digits] = /^SR_BACKEND_FAILURE_(\d+)$/.exec(code) ?? []
  if (digits !== undefined) {
    const number = Number(digits)
    const name = (await smErrorName(number)) ?? 'SM error'
    const description = params[1] ?? 'no description'
    const errno = errnoIn(description)
    const words = errno === undefined ? '' : ` That is ${errno.code}: ${errno.text}.`
    const advice =
      errno?.code === 'ENOSPC' || description.includes('ENOSPC') ? adviceForSmCode(44) : adviceForSmCode(number)
    return failure(`${name} (${number}): ${description}${words}`, advice)
  }
  const said = params.filter(text => text !== '').join(', ')
  return failure(said === '' ? code : `${code}: ${said}`, adviceForXapiCode(code))
}

/** The error of the system that a detail of the protocol gives as a bare number. `mount` has exit codes of its own, from 32 on. */
function errnoIn(description: string): { readonly code: string; readonly text: string } | undefined {
  const number = Number(/\b(?:error|Errno is) (\d+)\]$/.exec(description)?.[1] ?? 0)
  const [code, text] = getSystemErrorMap().get(-number) ?? []
  return code === undefined || text === undefined || number === 32 ? undefined : { code, text }
}

function failure(message: string, advice: string | undefined): Explanation {
  return { message: printable(message), advice: advice === undefined ? [] : [advice], isUsage: false }
}
