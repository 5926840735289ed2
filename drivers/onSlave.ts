import { isLvmError } from '../lib/lvm/LvmError.ts'
import { srOfGroup, volumeNamespace } from '../lib/lvm/names.ts'
import { RefCounter } from '../lib/lvm/RefCounter.ts'
import { VolumeGroup } from '../lib/lvm/VolumeGroup.ts'
import { makeSystem, type System } from '../lib/os/system.ts'
import { isScsiId } from '../lib/scsi/scsiId.ts'
import { isUuid } from '../lib/smapi/members.ts'
import type { StringMap } from '../lib/xapi/XapiClient.ts'
import { isOpen } from './datapath/isOpen.ts'
import { answerHostPlugin, type HostContext, type HostFunction } from './hostPlugin.ts'
import { lvmOfSr } from './lun/lvmOfSr.ts'

/**
 * The functions of the host plugin `on-slave`: what the master has other hosts do with their mappings of volumes (`multi`),
 * whether a disk is open here (`is_open`) (spec lvhd 17), and taking up that a LUN has grown (spec iscsi-hba 6).
 */
export const onSlaveFunctions: Readonly<Record<string, HostFunction>> = {
  multi,
  is_open: isOpen,
  refresh_lun_size_by_SCSIid: takeUpLunSize,
}

/** The document that answers one call of the plugin. A failure is an answer too. */
export function answerOnSlave(argument: string, system: System = makeSystem()): Promise<string> {
  return answerHostPlugin('on-slave', onSlaveFunctions, { argv: [argument], system })
}

/** Actions in their order; the first that fails ends it. */
async function multi(context: HostContext, args: StringMap): Promise<string> {
  const group = required(args, 'vgName')
  const srUuid = srOfGroup(group)
  if (srUuid === undefined || !isUuid(srUuid)) throw new Error(`${group} is no volume group of an SR`)
  const lvm = await lvmOfSr(context, srUuid)
  const volumes = new VolumeGroup(lvm, group)
  const references = new RefCounter(lvm.deps, srUuid)
  for (let number = 1; args[`action${number}`] !== undefined; number += 1) {
    const of = (name: string) => required(args, `${name}${number}`)
    await carryOut(of('action'), { volumes, references, srUuid, of })
  }
  return 'True'
}

/** Whether all paths of the LUN, and the map over them, have the size that it has on its target. */
async function takeUpLunSize(context: HostContext, args: StringMap): Promise<string> {
  const scsiId = required(args, 'SCSIid')
  if (!isScsiId(scsiId)) throw new Error('SCSIid is malformed')
  const { refreshLunSize } = await import('../lib/multipath/lunSize.ts')
  return (await refreshLunSize(context, scsiId)) ? 'True' : 'False'
}

interface Scope {
  readonly volumes: VolumeGroup
  readonly references: RefCounter
  readonly srUuid: string
  readonly of: (name: string) => string
}

async function carryOut(action: string, scope: Scope): Promise<void> {
  const { volumes, references } = scope
  switch (action) {
    case 'activate':
      return references.locked([uuidOf(scope)], () => activate(scope))
    case 'deactivate':
      return references.locked([uuidOf(scope)], () => deactivate(scope))
    case 'deactivateNoRefcount':
      return volumes.deactivate([scope.of('lvName')])
    case 'refresh':
      await volumes.activate([scope.of('lvName')])
      return volumes.refreshMappings([scope.of('lvName')])
    case 'cleanupLockAndRefcount':
      return references.write(uuidOf(scope), { count: 0, binary: 0 })
    default:
      throw new Error(`unknown action ${action}`)
  }
}

/** The count tells of what is mapped: it goes back where that fails. */
async function activate(scope: Scope): Promise<void> {
  const { volumes, references } = scope
  if ((await references.get(uuidOf(scope), 'count')) > 1) return
  try {
    await volumes.activate([scope.of('lvName')])
  } catch (error) {
    await references.put(uuidOf(scope), 'count')
    throw error
  }
}

/** As `activate`. What somebody has open stays mapped without being counted (spec lvhd 10). */
async function deactivate(scope: Scope): Promise<void> {
  const { volumes, references } = scope
  const lvName = scope.of('lvName')
  const before = await references.read(uuidOf(scope))
  if ((await references.put(uuidOf(scope), 'count')) > 0) return
  try {
    await volumes.deactivate([lvName])
  } catch (error) {
    if (isLvmError(error, 'inUse') && (await volumes.volume(lvName))?.open === true) {
      volumes.lvm.deps.log.warn(`${lvName} stays active: somebody has it open`)
      return
    }
    await references.write(uuidOf(scope), before)
    throw error
  }
}

/** The VDI that an action is about; its references are those of this SR and no other. */
function uuidOf({ of, srUuid }: Scope): string {
  if (of('ns') !== volumeNamespace(srUuid)) throw new Error(`${of('ns')} is not the namespace of SR ${srUuid}`)
  return of('uuid')
}

function required(args: StringMap, name: string): string {
  const value = args[name]
  if (value === undefined || value === '') throw new Error(`${name} is missing`)
  return value
}
