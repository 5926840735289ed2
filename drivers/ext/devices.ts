import path from 'node:path'
import { SmError } from '../../lib/smapi/SmError.ts'
import { isErrno } from '../../lib/os/files.ts'
import type { Context } from '../Context.ts'
import { isInUse } from './volume.ts'

const SCSI_ID = '/usr/lib/udev/scsi_id'

/** The devices of `device_config:device`. @throws SmError ConfigDeviceMissing, InvalidDev */
export function configuredDevices({ request }: Context): string[] {
  const devices = (request.deviceConfig['device'] ?? '').split(',').filter(device => device !== '')
  if (devices.length === 0) throw new SmError('ConfigDeviceMissing')
  // An absolute path can be no option of the commands that it is given to.
  const strange = devices.find(device => !/^\/[^\0\n]*$/.test(device))
  if (strange !== undefined) throw new SmError('InvalidDev', `Device ${strange} does not exist`)
  return devices
}

/**
 * Refuses devices that another SR of this host has, or whose SCSI id any SR has (spec file-sr 6.2, steps 2 and 3).
 * @throws SmError SRInUse, APIPBDQuery
 */
export async function refuseTaken(context: Context, devices: readonly string[], srRef: string): Promise<void> {
  const taken = await devicesOfOtherSrs(context, srRef)
  for (const device of devices) {
    if (taken.has(await realpath(context, device)))
      throw new SmError('SRInUse', `Device ${device} is used by another SR`)
  }
  const ids = (await scsiIds(context, devices)).filter(id => id !== '')
  for (const [ref, record] of await context.xapi.srRecordsWhere('true')) {
    const serials = (record.sm_config['devserial'] ?? '').split(',')
    const shared = ids.find(id => serials.includes(`scsi-${id}`))
    if (ref !== srRef && shared !== undefined) throw new SmError('SRInUse', `SCSI id ${shared} is used by another SR`)
  }
}

/** Refuses what is no free block device of the host's (step 4). @throws SmError Rootdev, InvalidDev, SRInUse */
export async function refuseUnusable(context: Context, device: string): Promise<void> {
  const root = await rootDisk(context)
  const real = await realpath(context, device)
  if (root !== undefined && [root, partition(root, 1), partition(root, 2)].includes(real)) {
    throw new SmError('Rootdev', `Device ${device} contains core system files, please use another device`)
  }
  const missing = new SmError('InvalidDev', `Device ${device} does not exist`)
  const stat = await context.system.files.stat(device).catch((error: unknown) => {
    throw isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR') ? missing : error
  })
  if (!stat.isBlockDevice()) throw missing
  if (await isInUse(context.system, device)) throw new SmError('SRInUse', `Device ${device} is busy`)
}

/** `SR.sm_config:devserial`: by it other hosts and later calls know the disks. Never fails the caller. */
export async function recordSerials(context: Context, devices: readonly string[], srRef: string): Promise<void> {
  try {
    const ids = await scsiIds(context, devices)
    const serial = ids.flatMap(id => (id === '' ? [] : [`scsi-${id}`])).join(',')
    const smConfig = await context.xapi.srGetSmConfig(srRef)
    if (smConfig['devserial'] !== serial) await context.xapi.srSetSmConfig(srRef, { ...smConfig, devserial: serial })
  } catch (error) {
    context.log.warn(`the serial numbers of ${devices.join(', ')} are not recorded: ${String(error)}`)
  }
}

/** Sets the I/O scheduler of the disks: the first that the kernel has. Never fails the caller. */
export async function chooseScheduler(context: Context, devices: readonly string[], srRef: string): Promise<void> {
  try {
    const wished = (await context.xapi.srGetOtherConfig(srRef))['scheduler']
    const root = await rootDisk(context)
    for (const device of devices) {
      const real = await realpath(context, device)
      const isRoot = root !== undefined && real.startsWith(root)
      await setScheduler(context, real, wished === undefined ? (isRoot ? ['bfq', 'cfq'] : ['none', 'noop']) : [wished])
    }
  } catch (error) {
    context.log.warn(`the scheduler of ${devices.join(', ')} is left as it is: ${String(error)}`)
  }
}

async function devicesOfOtherSrs(context: Context, srRef: string): Promise<Set<string>> {
  const { xapi, request } = context
  try {
    const taken = new Set<string>()
    for (const pbd of (await xapi.pbdRecordsWhere(`field "host" = "${request.hostRef ?? ''}"`)).values()) {
      if (pbd.SR === srRef) continue
      for (const device of (pbd.device_config['device'] ?? '').split(',')) {
        if (device !== '') taken.add(await realpath(context, device))
      }
    }
    return taken
  } catch (error) {
    throw new SmError('APIPBDQuery', error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** One for each device; empty where it has none, as a loop device. */
async function scsiIds({ system }: Context, devices: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const device of devices) {
    const { exitCode, stdout } = await system.run([SCSI_ID, '-g', '--device', device], { okExitCodes: [0, 1] })
    ids.push(exitCode === 0 ? stdout.trim() : '')
  }
  return ids
}

/** The host's own disk, as its inventory names it. */
async function rootDisk(context: Context): Promise<string | undefined> {
  const { files } = context.system
  if (!(await files.exists(context.paths.inventory))) return undefined
  const disk = /^PRIMARY_DISK='([^'\n]+)'/m.exec(await files.readText(context.paths.inventory))?.[1]
  return disk === undefined ? undefined : realpath(context, disk)
}

/** Disks whose names end in a digit have a `p` before the number of a partition. */
function partition(disk: string, number: number): string {
  return /\d$/.test(disk) ? `${disk}p${number}` : `${disk}${number}`
}

async function setScheduler(context: Context, device: string, candidates: readonly string[]): Promise<void> {
  const { files } = context.system
  const block = await files.realpath(path.join('/sys/class/block', path.basename(device)))
  const ofDisk = path.join(block, 'queue', 'scheduler')
  // A partition has none of its own.
  const file = (await files.exists(ofDisk)) ? ofDisk : path.join(path.dirname(block), 'queue', 'scheduler')
  const offered = (await files.readText(file)).replaceAll(/[[\]\n]/g, '').split(' ')
  const chosen = candidates.find(candidate => offered.includes(candidate))
  if (chosen !== undefined) await files.append(file, chosen)
}

/** Without following where that is impossible: what does not exist is reported by whoever needs it. */
async function realpath({ system }: Context, file: string): Promise<string> {
  try {
    return await system.files.realpath(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return file
    throw error
  }
}
