import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrno } from '../os/files.ts'
import { SmError } from '../smapi/SmError.ts'
import type { Lvm } from './Lvm.ts'
import { isLvmError } from './LvmError.ts'
import { mapperName, mapperPath, parseMapperName, volumePath } from './names.ts'

const MAPPER = '/dev/mapper'
const REMOVE_TRIES = 10
const REMOVE_WAIT_MS = 1000

/**
 * Makes sure that an active volume has its name under `/dev/<group>`: where udev forgot it, the link is made
 * (spec lvhd 5.5). @throws SmError VDIUnavailable (46) where the volume is not mapped after all
 */
export async function ensureLink(lvm: Lvm, group: string, volume: string): Promise<void> {
  const { files } = lvm.deps.system
  const link = volumePath(group, volume)
  if (await files.exists(link)) return
  const node = mapperPath(group, volume)
  if (!(await files.exists(node))) throw new SmError('VDIUnavailable', `LV not activated: ${volume}`)
  lvm.deps.log.warn(`${link} is missing: linked to ${node}`)
  await files.makeDirectory(path.dirname(link), { recursive: true })
  await files.symlink(node, link)
}

/**
 * Removes what a volume that is gone or inactive left in the device-mapper and under /dev (spec lvhd 5.5). Costs no process
 * where nothing was left. @throws LvmError where the mapping is in use: nothing was removed then
 */
export async function clearMapping(lvm: Lvm, group: string, volume: string): Promise<void> {
  const { files } = lvm.deps.system
  const node = mapperPath(group, volume)
  if (await files.exists(node)) {
    lvm.deps.log.warn(`${node} was left behind`)
    await removeMapping(lvm, mapperName(group, volume))
    await unlinkIfPresent(lvm, node)
  }
  await unlinkIfPresent(lvm, volumePath(group, volume))
}

/**
 * Removes every mapping of a group's volumes, and its directory, without asking LVM: for `sr_detach` and `sr_delete`
 * (spec lvhd 5.5, 12). @throws LvmError `inUse` where one is open; those after it are left then
 */
export async function clearGroupMappings(lvm: Lvm, group: string): Promise<void> {
  const { files } = lvm.deps.system
  for (const volume of await mappedVolumes(lvm, group)) await clearMapping(lvm, group, volume)
  const directory = path.join('/dev', group)
  for (const name of await listIfPresent(lvm, directory)) await unlinkIfPresent(lvm, path.join(directory, name))
  if (await files.exists(directory)) await files.removeDirectory(directory)
}

/** Whether any volume of a group is mapped on this host. Asks LVM nothing. */
export async function hasGroupMappings(lvm: Lvm, group: string): Promise<boolean> {
  return (await mappedVolumes(lvm, group)).length > 0
}

async function mappedVolumes(lvm: Lvm, group: string): Promise<string[]> {
  const parsed = (await listIfPresent(lvm, MAPPER)).map(parseMapperName)
  return parsed.flatMap(name => (name?.group === group ? name.volume : []))
}

/**
 * Never forced: that would pull the disk from under whoever has it open. What has it only for a moment, as udev has, is
 * waited for.
 */
async function removeMapping(lvm: Lvm, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    if (!(await isMapped(lvm, name))) return
    try {
      await lvm.change(['dmsetup', 'remove', name])
      return
    } catch (error) {
      if (attempt === REMOVE_TRIES || !isLvmError(error, 'inUse')) throw error
      await sleep(REMOVE_WAIT_MS)
    }
  }
}

async function isMapped(lvm: Lvm, name: string): Promise<boolean> {
  try {
    await lvm.look(['dmsetup', 'status', name])
    return true
  } catch (error) {
    if (isLvmError(error, 'missing')) return false
    throw error
  }
}

async function listIfPresent(lvm: Lvm, directory: string): Promise<string[]> {
  try {
    return await lvm.deps.system.files.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

/** Looks first: in nearly every case there is nothing, and then there is no effect. */
async function unlinkIfPresent(lvm: Lvm, name: string): Promise<void> {
  const { files } = lvm.deps.system
  if (await files.exists(name)) await files.unlinkIfPresent(name)
}
