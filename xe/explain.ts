import { XapiError } from '../lib/xapi/XapiClient.ts'
import { printable } from '../cli/format/text.ts'
import type { Tables } from './Tables.ts'

type Explanation = readonly [text: string, ...names: string[]]

/** What errors mean, and what their parameters are. */
const explanations: Readonly<Record<string, Explanation | undefined>> = {
  SESSION_AUTHENTICATION_FAILED: ['The user name or the password is wrong.', 'user', 'reason'],
  HANDLE_INVALID: ['There is no such object (any more).', 'type', 'reference'],
  UUID_INVALID: ['There is no object with this uuid.', 'type', 'uuid'],
  MAP_DUPLICATE_KEY: ['The map has an entry with this key already.', 'type', 'field', 'object', 'key'],
  PERMISSION_DENIED: ['This may not be changed by clients.', 'message'],
  OPERATION_NOT_ALLOWED: ['This is not possible.', 'reason'],
  OTHER_OPERATION_IN_PROGRESS: [
    'Another operation on the object is in progress.',
    'type',
    'object',
    'operation',
    'task',
  ],
  INVALID_VALUE: ['A value makes no sense there.', 'field', 'value'],
  SR_HAS_NO_PBDS: ['The SR is not connected to a host: plug its PBD.', 'sr'],
  SR_HAS_PBD: ['The SR is still connected to a host: unplug its PBD.', 'sr'],
  SR_NOT_EMPTY: ['The SR still holds disks.'],
  SR_NOT_ATTACHED: ['The SR is not attached.', 'sr'],
  SR_UNKNOWN_DRIVER: ['There is no driver for this type of SR.', 'driver'],
  SR_OPERATION_NOT_SUPPORTED: ['The driver of this SR cannot do that.', 'sr'],
  UNIMPLEMENTED_IN_SM_BACKEND: ['The driver of this SR cannot do that with this disk.', 'sr'],
  VDI_IN_USE: ['The disk is in use.', 'vdi', 'operation'],
  VDI_MISSING: ['The data of the disk is gone.', 'sr', 'vdi'],
  VDI_NOT_MANAGED: ['The disk belongs to the driver alone.', 'vdi'],
  VDI_READONLY: ['The disk is read-only.', 'vdi'],
  VDI_INCOMPATIBLE_TYPE: ['This cannot be done with a disk of this type.', 'vdi', 'type'],
  VM_BAD_POWER_STATE: ['The VM is not in the power state that this needs.', 'vm', 'expected', 'actual'],
  VM_IS_SNAPSHOT: ['This cannot be done with a snapshot.', 'vm', 'operation'],
  VM_REVERT_FAILED: ['The VM could not be reverted. It is halted; trying again is safe.', 'snapshot', 'vm'],
  REVERT_ONLY_ALLOWED_ON_SNAPSHOT: ['Only a snapshot can be reverted to.'],
  DEVICE_ALREADY_EXISTS: ['The VM has a device of this number.', 'device'],
}

/** Puts a failure into lines for standard error, references with the names of their objects (spec toolstack 13). */
export async function explain(error: XapiError, tables: Tables): Promise<string> {
  const known = Object.hasOwn(explanations, error.code) ? explanations[error.code] : undefined
  if (known === undefined) {
    const params = error.params.length === 0 ? '' : `\nError parameters: ${printable(error.params.join(', '))}`
    return `Error code: ${printable(error.code)}${params}`
  }
  const [text, ...names] = known
  const lines: string[] = [text]
  for (const [index, param] of error.params.entries()) {
    lines.push(`${names[index] ?? 'detail'}: ${printable(await nameOf(param, tables))}`)
  }
  return lines.join('\n')
}

async function nameOf(param: string, tables: Tables): Promise<string> {
  if (!param.startsWith('OpaqueRef:')) return param
  for (const className of ['VDI', 'SR', 'VM', 'host']) {
    const record = await tables.find(className, param).catch((failure: unknown) => {
      if (failure instanceof XapiError) return undefined
      throw failure
    })
    if (record !== undefined) return `${String(record['uuid'])} (${String(record['name_label'])})`
  }
  return param
}
