import { XapiError, type Ref, type StringMap } from '../../lib/xapi/XapiClient.ts'
import { byUuid, printUuid, type Command, type Xe } from '../Command.ts'
import { XeError } from '../failures.ts'

/** Makes the disk of a snapshot what it was then. Prints the uuid of the disk, or of the clone that takes its place. */
export const vdiRevert: Command = {
  usage: 'vdi-revert snapshot-uuid=UUID [driver-params:KEY=VALUE ...] [--allow-clone]',
  run: async xe => {
    const snapshot = await byUuid(xe, 'VDI', xe.params.text('snapshot-uuid', 'uuid'))
    const driverParams = xe.params.map('driver-params')
    const mayClone = xe.params.flag('allow-clone')
    const target = String(await xe.caller.call('VDI.get_snapshot_of', snapshot))
    const wantsMore = mayClone || xe.params.has('driver-params')
    const disk = wantsMore
      ? await revertOrClone(xe, { snapshot, target, driverParams, mayClone })
      : await revertInPlace(xe, snapshot, target)
    await printUuid(xe, 'VDI', disk)
  },
}

async function revertInPlace({ caller }: Xe, snapshot: Ref, target: Ref): Promise<Ref> {
  try {
    await caller.call('VDI.revert', snapshot)
    return target
  } catch (error) {
    throw explained(error)
  }
}

interface Wanted {
  readonly snapshot: Ref
  readonly target: Ref
  readonly driverParams: StringMap
  readonly mayClone: boolean
}

/** The server may have the form that clones by itself, only the one that does not, or none at all. */
async function revertOrClone(xe: Xe, wanted: Wanted): Promise<Ref> {
  const { snapshot, target, driverParams, mayClone } = wanted
  try {
    return String(await xe.caller.call('VDI.revert', snapshot, { ...driverParams }))
  } catch (error) {
    if (!isCode(error, ['MESSAGE_PARAMETER_COUNT_MISMATCH', 'MESSAGE_METHOD_UNKNOWN'])) throw error
    if (!mayClone) throw explained(error)
  }
  try {
    await xe.caller.call('VDI.revert', snapshot)
    return target
  } catch (error) {
    if (!isCode(error, cannotRevert)) throw error
  }
  xe.err('The disk cannot be reverted in place: a clone of the snapshot is made, the disk stays as it is.')
  return String(await xe.caller.call('VDI.clone', snapshot, { ...driverParams }))
}

const cannotRevert = ['MESSAGE_METHOD_UNKNOWN', 'SR_OPERATION_NOT_SUPPORTED', 'UNIMPLEMENTED_IN_SM_BACKEND']

function isCode(error: unknown, codes: readonly string[]): error is XapiError {
  return error instanceof XapiError && codes.includes(error.code)
}

function explained(error: unknown): unknown {
  if (isCode(error, ['MESSAGE_METHOD_UNKNOWN'])) {
    return new XeError('This pool has no VDI.revert. With --allow-clone a clone of the snapshot is made instead.', {
      cause: error,
    })
  }
  if (isCode(error, ['MESSAGE_PARAMETER_COUNT_MISMATCH'])) {
    return new XeError('This pool takes no driver-params for VDI.revert. Leave them out, or add --allow-clone.', {
      cause: error,
    })
  }
  if (isCode(error, cannotRevert)) {
    return new XeError(
      'This storage cannot revert the disk in place. With --allow-clone a clone of the snapshot is made instead.',
      { cause: error },
    )
  }
  return error
}
