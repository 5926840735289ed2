import { isErrno } from '../../lib/os/files.ts'
import type { Run } from '../../lib/os/run.ts'
import { SmError, type SmErrorName } from '../../lib/smapi/SmError.ts'
import type { System } from '../../lib/os/system.ts'

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

/** Runs a command whose failure has an SM error of its own. @throws SmError `failure` */
export async function runOr(run: Run, failure: SmErrorName, argv: Argv): Promise<string> {
  try {
    return (await run(argv)).stdout
  } catch (error) {
    throw new SmError(failure, error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** Whether a command that only looks succeeds. LVM answers 5 for what does not exist. */
export async function succeeds(run: Run, argv: Argv): Promise<boolean> {
  return (await run(argv, { okExitCodes: [0, 3, 5] })).exitCode === 0
}

export function groupExists(run: Run, srUuid: string): Promise<boolean> {
  return succeeds(run, ['vgs', '--readonly', groupName(srUuid)])
}

export function volumeExists(run: Run, srUuid: string): Promise<boolean> {
  return succeeds(run, ['lvdisplay', volumePath(srUuid)])
}

/** Size of the group, bytes. */
export function groupSize(run: Run, srUuid: string): Promise<number> {
  return reportedBytes(run, ['vgs', '-o', 'vg_size'], groupName(srUuid))
}

/**
 * Makes the volume group on devices that have been checked (spec file-sr 6.2, step 4). What they held is gone from here on.
 * @throws SmError LVMWrite, LVMPartCreate, LVMGroupCreate, LVMUnMount
 */
export async function createGroup({ run }: System, srUuid: string, devices: readonly string[]): Promise<void> {
  const group = groupName(srUuid)
  const [first = '', ...others] = devices
  for (const device of devices) {
    await wipe(run, device)
    if (device !== first) await runOr(run, 'LVMPartCreate', ['pvcreate', '-ff', '-y', '--metadatasize', '10M', device])
  }
  await runOr(run, 'LVMGroupCreate', ['vgcreate', '--metadatasize', '10M', group, first])
  for (const device of others) {
    try {
      await run(['vgextend', group, device])
    } catch (error) {
      await run(['vgremove', group])
      throw new SmError('LVMGroupCreate', undefined, { cause: error })
    }
  }
  await runOr(run, 'LVMUnMount', ['vgchange', '-an', group])
}

/**
 * Makes the volume with all the room there is, striped over several devices, and the file system on it (steps 5 to 8).
 * @throws SmError SRExists, SRNoSpace, LVMCreate, LVMFilesystem
 */
export async function createVolume({ run }: System, srUuid: string, devices: readonly string[]): Promise<void> {
  if (await volumeExists(run, srUuid)) throw new SmError('SRExists')
  const mib = await freeMib(run, srUuid, devices)
  if (mib === 0) throw new SmError('SRNoSpace')
  const stripes = devices.length > 1 ? ['-i', String(devices.length), '-I', '2048'] : []
  const size = ['-L', String(mib), groupName(srUuid)]
  await runOr(run, 'LVMCreate', ['lvcreate', '-n', srUuid, ...stripes, ...size, '-W', 'y', '--yes'])
  await runOr(run, 'LVMCreate', ['lvchange', '-ay', volumePath(srUuid)])
  await runOr(run, 'LVMFilesystem', ['mkfs.ext4', '-F', volumePath(srUuid)])
}

/** Removes volume, group and labels. What a previous attempt has removed is not missed. @throws SmError LVMDelete */
export async function removeVolume({ run }: System, srUuid: string, devices: readonly string[]): Promise<void> {
  if (await volumeExists(run, srUuid)) await runOr(run, 'LVMDelete', ['lvremove', '-f', volumePath(srUuid)])
  await runOr(run, 'LVMDelete', ['vgremove', groupName(srUuid)])
  for (const device of devices) await runOr(run, 'LVMDelete', ['pvremove', device])
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

/** The start of a device is zeroed so that no label of before is found there; not every device takes direct I/O. */
async function wipe(run: Run, device: string): Promise<void> {
  const zeroes: Argv = ['dd', 'if=/dev/zero', `of=${device}`, 'bs=1M', 'count=10']
  try {
    const { exitCode } = await run([...zeroes, 'oflag=direct'], { okExitCodes: [0, 1] })
    // Through the page cache an error of the device shows when it is flushed.
    if (exitCode !== 0) await run([...zeroes, 'conv=fsync'])
  } catch (error) {
    throw new SmError('LVMWrite', error instanceof Error ? error.message : String(error), { cause: error })
  }
}

async function freeMib(run: Run, srUuid: string, devices: readonly string[]): Promise<number> {
  if (devices.length === 1)
    return Math.floor((await reportedBytes(run, ['vgs', '-o', 'vg_free'], groupName(srUuid))) / MIB)
  let least = Infinity
  for (const device of devices) least = Math.min(least, await reportedBytes(run, ['pvs', '-o', 'pv_free'], device))
  return Math.floor(least / MIB) * devices.length
}

async function reportedBytes(run: Run, report: Argv, subject: string): Promise<number> {
  const { stdout } = await run([...report, '--noheadings', '--nosuffix', '--units', 'b', subject])
  const bytes = Number(stdout.trim())
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw new SmError('SMGeneral', `${report[0]} reports '${stdout.trim()}'`)
  return bytes
}
