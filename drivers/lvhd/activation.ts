import { deflate, inflate } from '../../lib/lvhd/inflate.ts'
import { fullVhdVolumeSize, SMALL_VOLUME } from '../../lib/lvhd/sizes.ts'
import type { Activation } from '../../lib/lvm/Activator.ts'
import { isLvmError } from '../../lib/lvm/LvmError.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { readDisks, type Disk } from './disks.ts'
import type { LvhdVDI } from './LvhdVDI.ts'

const LOCK_TRIES = 20
const LOCK_WAIT_MS = 1000

/**
 * Makes a disk's volumes usable on this host, for whoever serves its data: the leaf gets its full size where it is to be
 * written to, and it and its ancestors are active until `closeVolumes` (spec lvhd 7, 14). Nothing happens where they are.
 * The caller may hold the lock of the VDI; the SR lock is only waited for with a limit.
 * @returns the device of the leaf
 * @throws SmError VDIUnavailable, LVMProvisionAttach where there is no room for the full size
 */
export async function openVolumes(vdi: LvhdVDI, { writable }: { readonly writable: boolean }): Promise<string> {
  const { sr } = vdi
  if (await sr.journals.has(vdi.uuid)) {
    throw new SmError(
      'VDIUnavailable',
      'Interrupted operation detected on this VDI, scan SR first to trigger auto-repair',
    )
  }
  const disk = await vdi.read()
  if (writable && isDeflated(disk)) await provision(vdi, disk)
  const [leaf, ...ancestors] = await chainOf(vdi)
  if (leaf === undefined) throw new SmError('VDIUnavailable', 'LV not found')
  await sr.activator.attach(leaf, ancestors)
  sr.activator.persist()
  return sr.group.path(leaf.volume)
}

/**
 * Undoes `openVolumes`, once nobody has the volumes open: they are unmapped, and a leaf of a thin SR or of a snapshot gives
 * back the room it does not need (spec lvhd 14), unless the SR is busy: the server is gone by then, and room alone is not
 * worth a failure. Nothing happens where they are not in use.
 * @throws SmError VDIUnavailable; LvmError
 */
export async function closeVolumes(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  const disk = await vdi.read()
  if (await givesRoomBack(vdi, disk)) {
    const isDone = await underSrLock(vdi, async () => {
      const vhd = await sr.vhdUtil()
      const path = sr.group.path(disk.volume.name)
      await deflate({ group: sr.group, vhd }, disk.volume.name, await vhd.physicalSize(path))
    })
    if (!isDone) sr.context.log.warn(`SR ${sr.uuid} is busy: the volume of VDI ${vdi.uuid} keeps its full size`)
  }
  const [leaf, ...ancestors] = await chainOf(vdi)
  if (leaf !== undefined) await sr.activator.detach(leaf, ancestors)
}

function isDeflated({ type, volume, virtualSize }: Disk): boolean {
  return type === 'vhd' && volume.size < fullVhdVolumeSize(virtualSize)
}

async function givesRoomBack({ sr, uuid }: LvhdVDI, disk: Disk): Promise<boolean> {
  if (disk.type !== 'vhd' || isDeflated(disk) || !sr.context.request.isMaster || !disk.volume.active) return false
  if ((await sr.allocation()) === 'thin') return true
  const { xapi } = sr.context
  return xapi.vdiGetIsASnapshot(await xapi.vdiGetByUuid(uuid))
}

/** Only the master changes LVM's metadata: a slave has it done there. */
async function provision(vdi: LvhdVDI, disk: Disk): Promise<void> {
  const { sr } = vdi
  const { request, xapi } = sr.context
  try {
    if (request.isMaster) {
      if (await underSrLock(vdi, () => enlarge(vdi, disk))) return
      throw new SmError('VDIUnavailable', `SR ${sr.uuid} is busy`)
    }
    const args = { srUuid: sr.uuid, vdiUuid: vdi.uuid }
    const answer = await xapi.hostCallPlugin(await xapi.poolGetMaster(), 'lvhd-thin', 'attach', args)
    if (answer !== 'True') throw new Error(`the master answers ${answer}`)
    sr.group.forget()
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new SmError('LVMProvisionAttach', detail, { cause: error })
  }
}

async function enlarge(vdi: LvhdVDI, { volume, virtualSize }: Disk): Promise<void> {
  const { sr } = vdi
  const full = fullVhdVolumeSize(virtualSize)
  sr.group.forget()
  await sr.requireFree(full - volume.size + SMALL_VOLUME)
  await sr.activator.hold([{ uuid: vdi.uuid, volume: volume.name }])
  try {
    await inflate(await sr.tools(), vdi.uuid, full)
  } catch (error) {
    if (isLvmError(error, 'noSpace')) throw new SmError('SRNoSpace', undefined, { cause: error })
    throw error
  }
}

/**
 * Whoever activates holds the lock of the VDI, which comes after that of the SR: waiting without end could be for ever.
 * False, with nothing done, where the SR stays busy.
 */
async function underSrLock(vdi: LvhdVDI, body: () => Promise<void>): Promise<boolean> {
  const { locks } = vdi.sr.context
  for (let attempt = 1; ; attempt += 1) {
    const lock = await locks.tryLock(vdi.sr.uuid, 'sr')
    if (lock !== undefined) {
      try {
        await body()
        return true
      } finally {
        await lock.release()
      }
    }
    if (attempt === LOCK_TRIES) return false
    await new Promise(resolve => setTimeout(resolve, LOCK_WAIT_MS))
  }
}

/** @throws SmError VDIUnavailable where an ancestor is missing */
async function chainOf({ sr, uuid }: LvhdVDI): Promise<Activation[]> {
  const { disks } = await readDisks(sr, [uuid])
  const chain: Activation[] = []
  for (let next: string | undefined = uuid; next !== undefined;) {
    const disk: Disk | undefined = disks.get(next)
    if (disk === undefined || chain.some(({ uuid: earlier }) => earlier === next)) {
      throw new SmError('VDIUnavailable', `the chain of VDI ${uuid} ends at ${next}`)
    }
    chain.push({ uuid: next, volume: disk.volume.name })
    next = disk.parent
  }
  return chain
}
