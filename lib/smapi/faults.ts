import { CommandError } from '../os/run.ts'
import { VhdError } from '../vhd/VhdUtil.ts'
import { XapiError, XapiTransportError } from '../xapi/XapiClient.ts'
import { commands, type CommandName } from './commands.ts'
import { SmError } from './SmError.ts'

const NO_SPACE_ERRNOS: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT'])
/** ENOSPC and EDQUOT as exit codes of the SM tools. */
const NO_SPACE_EXIT_CODES: ReadonlySet<number> = new Set([28, 122])

/**
 * The fault that answers a failed call (spec smapi 4). SM errors pass as they are; what the outside world refused
 * (commands, disks, XenAPI) becomes the command's own error; anything else is a bare 1200. vdi_revert turns every
 * one of these into VDISnapshot or SRNoSpace, since the caller destroys the disk on some other codes.
 */
export function toFault(error: unknown, command?: CommandName): { code: number; message: string } {
  const smError = toSmError(error, command)
  return smError === undefined
    ? { code: new SmError('GenericException').code, message: textOf(error) }
    : { code: smError.code, message: smError.message }
}

function toSmError(error: unknown, command: CommandName | undefined): SmError | undefined {
  if (error instanceof SmError) return error
  if (command === 'vdi_revert') {
    const name = saysNoSpace(error) ? 'SRNoSpace' : commands.vdi_revert.unexpected
    return new SmError(name, `revert failed: ${textOf(error)}`, { cause: error })
  }
  if (error instanceof XapiTransportError) return new SmError('APIProtocolError', textOf(error), { cause: error })
  if (!isRefusal(error)) return undefined
  const name = command === undefined ? 'SMGeneral' : commands[command].unexpected
  return new SmError(name, textOf(error), { cause: error })
}

function saysNoSpace(error: unknown): boolean {
  if (error instanceof CommandError) return NO_SPACE_EXIT_CODES.has(error.exitCode)
  return NO_SPACE_ERRNOS.has(codeOf(error))
}

/** Whether the outside world said no, as opposed to a mistake in this program. */
function isRefusal(error: unknown): boolean {
  if (error instanceof CommandError || error instanceof XapiError || error instanceof VhdError) return true
  // Errno names; Node's own codes contain an underscore. It has no names for some, as for a stale NFS handle.
  return /^E[A-Z0-9]+$|^Unknown system error -\d+$/.test(codeOf(error) ?? '')
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message === '' ? error.name : error.message
}
