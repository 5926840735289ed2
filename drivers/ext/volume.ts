import { isErrno } from '../../lib/os/files.ts'
import type { System } from '../../lib/os/system.ts'
import { changeOr } from '../../lib/lvm/groups.ts'
import type { Lvm } from '../../lib/lvm/Lvm.ts'
import { LvmError } from '../../lib/lvm/LvmError.ts'
import { SmError } from '../../lib/smapi/SmError.ts'

const MIB = 1024 * 1024
const GROUP_PREFIX = 'XSLocalEXT-'

/** The volume group of an SR. */
export const groupName = (srUuid: string): string => `${GROUP_PREFIX}${srUuid}`
/** The logical volume that holds the SR's file system. */
export const volumePath = (srUuid: string): string => `/dev/${groupName(srUuid)}/${srUuid}`

/** The SR whose volume group this is. */
export function srOfGroup(group: string): string | undefined {
  return group.startsWith(GROUP_PREFIX) ? group.slice(GROUP_PREFIX.length) : undefined
}

type Argv = readonly [string, ...string[]]

/** Whether a command that only looks succeeds: LVM answers 3 or 5 for what it does not find. */
export async function succeeds(lvm: Lvm, argv: Argv): Promise<boolean> {
  return (await lookAt(lvm, argv)) !== undefined
}

/** What a command that only looks prints; undefined for what LVM does not find. */
export async function lookAt(lvm: Lvm, argv: Argv): Promise<string | undefined> {
  try {
    return await lvm.look(argv)
  } catch (error) {
    if (error instanceof LvmError && (error.exitCode === 3 || error.exitCode === 5)) return undefined
    throw error
  }
}

export function groupExists(lvm: Lvm, srUuid: string): Promise<boolean> {
  return succeeds(lvm, ['vgs', '--readonly', groupName(srUuid)])
}

export function volumeExists(lvm: Lvm, srUuid: string): Promise<boolean> {
  return succeeds(lvm, ['lvdisplay', volumePath(srUuid)])
}

/** Size of the group, bytes. */
export function groupSize(lvm: Lvm, srUuid: string): Promise<number> {
  return reportedBytes(lvm, ['vgs', '-o', 'vg_size'], groupName(srUuid))
}

/**
 * Makes the volume with all the room there is, striped over several devices, and the file system on it (spec file-sr 6.2,
 * steps 5 to 8).
 * @throws SmError SRExists, SRNoSpace, LVMCreate, LVMFilesystem
 */
export async function createVolume(lvm: Lvm, srUuid: string, devices: readonly string[]): Promise<void> {
  if (await volumeExists(lvm, srUuid)) throw new SmError('SRExists')
  const mib = await freeMib(lvm, srUuid, devices)
  if (mib === 0) throw new SmError('SRNoSpace')
  const stripes = devices.length > 1 ? ['-i', String(devices.length), '-I', '2048'] : []
  const size = ['-L', String(mib), groupName(srUuid)]
  await changeOr(lvm, 'LVMCreate', ['lvcreate', '-n', srUuid, ...stripes, ...size, '-W', 'y', '--yes'])
  await changeOr(lvm, 'LVMCreate', ['lvchange', '-ay', volumePath(srUuid)])
  try {
    await lvm.deps.system.run(['mkfs.ext4', '-F', volumePath(srUuid)])
  } catch (error) {
    throw new SmError('LVMFilesystem', error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** Removes volume, group and labels. What a previous attempt has removed is not missed. @throws SmError LVMDelete */
export async function removeVolume(lvm: Lvm, srUuid: string, devices: readonly string[]): Promise<void> {
  if (await volumeExists(lvm, srUuid)) await changeOr(lvm, 'LVMDelete', ['lvremove', '-f', volumePath(srUuid)])
  if (await groupExists(lvm, srUuid)) await changeOr(lvm, 'LVMDelete', ['vgremove', groupName(srUuid)])
  for (const device of devices) await changeOr(lvm, 'LVMDelete', ['pvremove', device])
}

/** Whether somebody uses a block device: an exclusive open says so. udev may have it for a moment. @throws SmError InvalidDev */
export async function isInUse({ files, run }: System, device: string): Promise<boolean> {
  try {
    if (!(await files.isBusy(device))) return false
    await run(['udevadm', 'settle'])
    return await files.isBusy(device)
  } catch (error) {
    if (isErrno(error, 'ENXIO') || isErrno(error, 'ENODEV'))
      throw new SmError('InvalidDev', undefined, { cause: error })
    throw error
  }
}

async function freeMib(lvm: Lvm, srUuid: string, devices: readonly string[]): Promise<number> {
  if (devices.length === 1)
    return Math.floor((await reportedBytes(lvm, ['vgs', '-o', 'vg_free'], groupName(srUuid))) / MIB)
  let least = Infinity
  for (const device of devices) least = Math.min(least, await reportedBytes(lvm, ['pvs', '-o', 'pv_free'], device))
  return Math.floor(least / MIB) * devices.length
}

async function reportedBytes(lvm: Lvm, report: Argv, subject: string): Promise<number> {
  const stdout = await lvm.look([...report, '--noheadings', '--nosuffix', '--units', 'b', subject])
  const bytes = Number(stdout.trim())
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw new SmError('SMGeneral', `${report[0]} reports '${stdout.trim()}'`)
  return bytes
}
