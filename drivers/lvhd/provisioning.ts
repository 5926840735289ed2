import { deflate, inflate } from '../../lib/lvhd/inflate.ts'
import { fullVhdVolumeSize, SMALL_VOLUME } from '../../lib/lvhd/sizes.ts'
import { isLvmError } from '../../lib/lvm/LvmError.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { XapiError, type Ref } from '../../lib/xapi/XapiClient.ts'
import { HeldUpError } from '../datapath/ActivatableVdi.ts'
import { hostActivity } from '../hosts.ts'
import type { Disk } from './disks.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'
import type { LvhdVDI } from './LvhdVDI.ts'

/** The host plugin by which a slave has the master change the size of a volume (spec lvhd 7). */
const PLUGIN = 'lvhd-thin'
const LOCK_TRIES = 20
const LOCK_WAIT_MS = 1000

/** Whether the volume of a disk is too small for all that a guest may write. */
export function isDeflated({ type, volume, virtualSize }: Disk): boolean {
  return type === 'vhd' && volume.size < fullVhdVolumeSize(virtualSize)
}

/**
 * Gives the volume of a disk that is to be written to its full size, on whichever host that may be done. Records follow with
 * the next scan. The SR is waited
 * for with a limit: who activates holds the lock of the VDI, which comes after that of the SR.
 * @throws SmError LVMProvisionAttach; HeldUpError where the SR stays busy
 */
export async function provision(vdi: LvhdVDI): Promise<void> {
  try {
    await (vdi.sr.context.request.isMaster ? provisionHere(vdi) : askMaster(vdi, 'attach'))
  } catch (error) {
    if (error instanceof HeldUpError) throw error
    const detail = error instanceof Error ? error.message : String(error)
    throw new SmError('LVMProvisionAttach', detail, { cause: error })
  }
}

/** As `provision`, on the master. @throws HeldUpError; SmError SRNoSpace, VDIUnavailable; LvmError, VhdError */
export async function provisionHere(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  await underSrLock(sr, async () => {
    sr.group.forget()
    await sr.requireSettled(vdi.uuid)
    const disk = await vdi.read()
    if (isDeflated(disk)) await enlarge(sr, disk)
  })
}

/**
 * Has a disk that is closed give back what it does not need, in a thin SR or where it is a snapshot (spec lvhd 14). Where
 * that is not possible it stays as it is: room alone is not worth a failure.
 */
export async function giveBack(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  const { log, request } = sr.context
  try {
    if (!request.isMaster) await askMaster(vdi, 'detach')
    else await giveBackHere(vdi, request.hostRef)
  } catch (error) {
    sr.group.forget()
    log.warn(`VDI ${vdi.uuid} keeps its room: ${String(error)}`)
  }
}

/**
 * As `giveBack`, on the master. The lock may have been waited for: who has opened the disk meanwhile found it at its full size.
 * `closed`: a host that is known to have closed it.
 * @throws SmError VDIInUse, VDIUnavailable; HeldUpError, LvmError, VhdError
 */
export async function giveBackHere(vdi: LvhdVDI, closed?: Ref): Promise<void> {
  const { sr } = vdi
  await underSrLock(sr, async () => {
    sr.group.forget()
    await sr.requireSettled(vdi.uuid)
    await requireClosedEverywhere(vdi, await sr.context.xapi.vdiGetByUuid(vdi.uuid), closed)
    const { type, volume, virtualSize } = await vdi.read()
    if (type !== 'vhd' || volume.size < fullVhdVolumeSize(virtualSize)) return
    await sr.activator.hold([{ uuid: vdi.uuid, volume: volume.name }])
    const vhd = await sr.vhdUtil()
    await deflate({ group: sr.group, vhd }, volume.name, await vhd.physicalSize(sr.group.path(volume.name)))
  })
}

/** Whether a disk is one of those that give room back when they are closed. */
export async function givesRoomBack({ sr, uuid }: LvhdVDI, disk: Disk): Promise<boolean> {
  // With xapi not there nobody can say which kind of SR or disk it is.
  if (sr.context.request.sessionRef === undefined || disk.type !== 'vhd' || isDeflated(disk)) return false
  if ((await sr.allocation()) === 'thin') return true
  const { xapi } = sr.context
  return xapi.vdiGetIsASnapshot(await xapi.vdiGetByUuid(uuid))
}

/**
 * A volume must not be cut or removed while a host, but for `except`, has it open: that would go on writing where other
 * volumes are.
 * @throws SmError VDIInUse
 */
export async function requireClosedEverywhere({ sr, uuid }: LvhdVDI, ref: Ref, except?: Ref): Promise<void> {
  const { context } = sr
  const all = Object.entries(await context.xapi.vdiGetSmConfig(ref))
  const smConfig = Object.fromEntries(all.filter(([key]) => key !== `host_${except ?? ''}`))
  const { activeOn } = await hostActivity(context, { uuid, srRef: await sr.srRef(), smConfig })
  if (activeOn.length > 0) throw new SmError('VDIInUse', `VDI ${uuid} is active on ${activeOn.join(', ')}`)
}

async function enlarge(sr: LvhdFamilySR, { uuid, volume, virtualSize }: Disk): Promise<void> {
  const full = fullVhdVolumeSize(virtualSize)
  await sr.requireFree(full - volume.size + SMALL_VOLUME)
  await sr.activator.hold([{ uuid, volume: volume.name }])
  try {
    await inflate(await sr.tools(), uuid, full)
  } catch (error) {
    if (isLvmError(error, 'noSpace')) throw new SmError('SRNoSpace', undefined, { cause: error })
    throw error
  }
}

/** Only the master changes LVM's metadata. @throws HeldUpError where the SR is busy there, Error, XapiError */
async function askMaster({ sr, uuid }: LvhdVDI, action: 'attach' | 'detach'): Promise<void> {
  const { xapi } = sr.context
  const args = { srUuid: sr.uuid, vdiUuid: uuid }
  try {
    const answer = await xapi.hostCallPlugin(await xapi.poolGetMaster(), PLUGIN, action, args)
    if (answer !== 'True') throw new Error(`the master answers ${answer}`)
  } catch (error) {
    const isBusy = error instanceof XapiError && error.params[1] === HeldUpError.kind
    throw isBusy ? new HeldUpError(`SR ${sr.uuid} is busy on the master`) : error
  } finally {
    sr.group.forget()
  }
}

/** @throws HeldUpError where the SR stays busy; nothing is done then */
async function underSrLock(sr: LvhdFamilySR, body: () => Promise<void>): Promise<void> {
  const { locks } = sr.context
  for (let attempt = 1; ; attempt += 1) {
    const lock = await locks.tryLock(sr.uuid, 'sr')
    if (lock !== undefined) {
      try {
        await body()
        return
      } finally {
        await lock.release()
      }
    }
    if (attempt === LOCK_TRIES) throw new HeldUpError(`SR ${sr.uuid} is busy`)
    await new Promise(resolve => setTimeout(resolve, LOCK_WAIT_MS))
  }
}
