import { createArguments, sizeArgument, vdiArgument, writableArgument, type ArgumentRow } from './args.ts'
import { encodeAnswer, type ResultKind } from './results.ts'
import type { SmErrorName } from './SmError.ts'

export { parseBoolean, parseCreateArguments, parseSize, parseWritable, type CreateArguments } from './args.ts'

/** What is known of a command before any driver is (spec smapi 6 and 7). */
export interface CommandRow {
  /** A VDI object is made before the call. Its uuid is in the request, except that vdi_create may be given none. */
  readonly needsVdi: boolean
  /** The request names an SR. */
  readonly needsSr: boolean
  /** The request carries a XenAPI session. */
  readonly needsSession: boolean
  /** The SM error that a failure turns into which no SM error describes (spec smapi 4.3). */
  readonly unexpected: SmErrorName
  readonly args: readonly ArgumentRow[]
  readonly result: ResultKind
}

const srRow: CommandRow = {
  needsVdi: false,
  needsSr: true,
  needsSession: true,
  unexpected: 'SMGeneral',
  args: [],
  result: 'nil',
}

const vdiRow: CommandRow = { ...srRow, needsVdi: true }

const offlineRow: CommandRow = { ...vdiRow, needsSession: false }

const table = {
  sr_get_driver_info: { ...srRow, needsSr: false, needsSession: false, result: 'struct' },
  sr_create: { ...srRow, args: [sizeArgument] },
  sr_delete: srRow,
  sr_attach: srRow,
  sr_detach: srRow,
  sr_scan: { ...srRow, unexpected: 'SRScan' },
  sr_update: srRow,
  sr_probe: { ...srRow, needsSr: false, result: 'string' },
  sr_content_type: { ...srRow, result: 'string' },

  vdi_create: { ...vdiRow, args: createArguments, unexpected: 'VDICreate', result: 'vdi' },
  vdi_introduce: { ...srRow, result: 'vdi' },
  vdi_delete: { ...vdiRow, unexpected: 'VDIDelete' },
  vdi_update: vdiRow,
  vdi_snapshot: { ...vdiRow, unexpected: 'VDISnapshot', result: 'vdi' },
  vdi_clone: { ...vdiRow, unexpected: 'VDIClone', result: 'vdi' },
  vdi_revert: { ...vdiRow, args: [vdiArgument('target')], unexpected: 'VDISnapshot' },
  vdi_resize: { ...vdiRow, args: [sizeArgument], unexpected: 'VDIResize', result: 'vdi' },
  vdi_resize_online: { ...vdiRow, args: [sizeArgument], unexpected: 'VDIResize', result: 'vdi' },
  vdi_compose: { ...vdiRow, args: [vdiArgument('parent')] },

  vdi_attach: { ...vdiRow, args: [writableArgument], unexpected: 'VDIUnavailable', result: 'struct' },
  vdi_detach: { ...vdiRow, unexpected: 'VDIUnavailable' },
  vdi_activate: { ...vdiRow, args: [writableArgument], unexpected: 'VDIUnavailable' },
  vdi_deactivate: { ...vdiRow, unexpected: 'VDIUnavailable' },
  vdi_epoch_begin: vdiRow,
  vdi_epoch_end: vdiRow,

  vdi_generate_config: { ...vdiRow, result: 'string' },
  vdi_attach_from_config: { ...offlineRow, result: 'struct' },
  vdi_detach_from_config: offlineRow,

  vdi_enable_cbt: vdiRow,
  vdi_disable_cbt: vdiRow,
  vdi_data_destroy: vdiRow,
  vdi_list_changed_blocks: { ...vdiRow, args: [vdiArgument('vdi_to')], result: 'string' },
} as const satisfies Record<string, CommandRow>

export type CommandName = keyof typeof table

/** Every command there is, by its protocol name. */
export const commands: Readonly<Record<CommandName, CommandRow>> = table

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(table, name)
}

/**
 * The answer document for what a command returned. `undefined` stands for nil where the command answers nil.
 * Throws TypeError where the result is not of the kind that xapi expects of the command.
 */
export function encodeResult(command: CommandName, result: unknown): string {
  return encodeAnswer(command, commands[command].result, result)
}
