import { SmError, type SmErrorName } from '../smapi/SmError.ts'
import type { Lvm } from './Lvm.ts'
import { requireLvmName } from './names.ts'
import { bytesOf, parseRows, reportGroup, textOf } from './report.ts'

/** A volume group that was found on a device. */
export interface FoundGroup {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** All of its physical volumes that this host sees. */
  readonly devices: readonly string[]
}

const REPORT = ['--reportformat', 'json', '--units', 'b', '--nosuffix'] as const
/** Room for LVM's metadata, so that the first extent lies behind it. */
const METADATA = ['--metadatasize', '10M'] as const

/**
 * Makes the group of an SR on devices that have been checked, inactive (spec lvhd 12 "create", file-sr 6.2). What they held
 * is lost.
 * @throws SmError LVMWrite (54), LVMPartCreate (55), LVMGroupCreate (77), LVMUnMount (53)
 */
export async function createGroup(lvm: Lvm, group: string, devices: readonly string[]): Promise<void> {
  requireLvmName(group)
  const [first = '', ...others] = devices.map(requireDevice)
  for (const device of [first, ...others]) await wipe(lvm, device)
  for (const device of others) await changeOr(lvm, 'LVMPartCreate', ['pvcreate', '-ff', '-y', ...METADATA, device])
  await changeOr(lvm, 'LVMGroupCreate', ['vgcreate', ...METADATA, group, first])
  for (const device of others) {
    await changeOr(lvm, 'LVMGroupCreate', ['vgextend', group, device]).catch(async (error: unknown) => {
      await lvm.change(['vgremove', group])
      throw error
    })
  }
  await changeOr(lvm, 'LVMUnMount', ['vgchange', '-an', group])
}

/**
 * Removes a group that has no volumes any more, and its labels (spec lvhd 12 "delete").
 * @throws SmError LVMNoVolume (100) where there is none, PVSfailed (93) where a disk of it is missing, LVMDelete (51)
 */
export async function removeGroup(lvm: Lvm, group: string): Promise<void> {
  const found = await reportGroup(lvm, group)
  if (found === undefined) throw new SmError('LVMNoVolume', `no such volume group: ${group}`)
  if (found.volumes.size > 0) throw new SmError('LVMDelete', `${group} has ${found.volumes.size} volumes`)
  const uuids = new Set(found.physicalVolumes.map(({ uuid }) => uuid))
  await changeOr(lvm, 'LVMDelete', ['vgremove', group])
  // Under multipath another node of the disk may be the visible one now.
  const rows = parseRows(await lvm.look(['pvs', ...REPORT, '-o', 'pv_name,pv_uuid']), 'pv')
  const devices = rows.filter(row => uuids.has(textOf(row, 'pv_uuid'))).map(row => textOf(row, 'pv_name'))
  if (devices.length < uuids.size) throw new SmError('PVSfailed', `a disk of ${group} is missing`)
  await changeOr(lvm, 'LVMDelete', ['pvremove', ...devices])
}

/** Grows a group onto devices that have become larger. Failures are told to the log only (spec lvhd 5.2). */
export async function growPhysicalVolumes(lvm: Lvm, devices: readonly string[]): Promise<void> {
  for (const device of devices) {
    try {
      await lvm.change(['pvresize', requireDevice(device)])
    } catch (error) {
      lvm.deps.log.warn(`${device} is not grown: ${String(error)}`)
    }
  }
}

/**
 * The volume groups that have a part on these devices, by one report (spec lvhd 12 "probe"). Devices that are no
 * physical volumes are left out; groups that are no SR's are not.
 */
export async function groupsOn(lvm: Lvm, devices: readonly string[]): Promise<FoundGroup[]> {
  const rows = parseRows(await lvm.look(['pvs', ...REPORT, '-o', 'pv_name,vg_name,vg_size']), 'pv')
  const asked = new Set<string>()
  for (const device of devices) asked.add(await realpath(lvm, device))
  const groups = new Map<string, FoundGroup & { readonly isAsked: boolean }>()
  for (const row of rows) {
    const name = textOf(row, 'vg_name')
    const device = textOf(row, 'pv_name')
    if (name === '') continue
    const known = groups.get(name)
    groups.set(name, {
      name,
      size: bytesOf(row, 'vg_size'),
      devices: [...(known?.devices ?? []), device],
      isAsked: known?.isAsked === true || asked.has(await realpath(lvm, device)),
    })
  }
  return [...groups.values()].filter(({ isAsked }) => isAsked).map(({ isAsked: _, ...group }) => group)
}

/** A change whose failure has an SM error of its own. @throws SmError `failure` */
export async function changeOr(lvm: Lvm, failure: SmErrorName, argv: readonly [string, ...string[]]): Promise<void> {
  try {
    await lvm.change(argv)
  } catch (error) {
    throw new SmError(failure, messageOf(error), { cause: error })
  }
}

/** An absolute path can be no option. @throws SmError InvalidDev (19) */
function requireDevice(device: string): string {
  if (!/^\/[^\0\n]+$/.test(device)) throw new SmError('InvalidDev', `Device ${device} does not exist`)
  return device
}

/** The start of a device is zeroed so that no label of before is found there; not every device takes direct I/O. */
async function wipe({ deps: { system } }: Lvm, device: string): Promise<void> {
  const zeroes = ['dd', 'if=/dev/zero', `of=${device}`, 'bs=1M', 'count=10'] as const
  try {
    const { exitCode } = await system.run([...zeroes, 'oflag=direct'], { okExitCodes: [0, 1] })
    // Through the page cache an error of the device shows when it is flushed.
    if (exitCode !== 0) await system.run([...zeroes, 'conv=fsync'])
  } catch (error) {
    throw new SmError('LVMWrite', messageOf(error), { cause: error })
  }
}

async function realpath({ deps: { system } }: Lvm, device: string): Promise<string> {
  return (await system.files.exists(device)) ? system.files.realpath(device) : device
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
