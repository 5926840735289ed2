import { changeOr, createGroup } from '../lib/lvm/groups.ts'
import { Lvm } from '../lib/lvm/Lvm.ts'
import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { FileFamilySR } from './file/FileFamilySR.ts'
import { exitCodeOf, mountSr, unmountSr } from './file/mountPoint.ts'
import { chooseScheduler, configuredDevices, recordSerials, refuseTaken, refuseUnusable } from './ext/devices.ts'
import * as volume from './ext/volume.ts'
import { probeDocument, type ProbeElement } from './probeXml.ts'

/** An SR on an ext4 file system in a logical volume of this host's disks, `device_config:device` (spec file-sr 6.2). */
export class EXTSR extends FileFamilySR {
  override readonly hasOwnFileSystem = true
  private readonly lvm = new Lvm(this.context, { master: this.context.request.isMaster })

  override load(): Promise<void> {
    return Promise.resolve()
  }

  private get volume(): string {
    return volume.volumePath(this.uuid)
  }

  /**
   * Makes volume group, volume and file system; what is on the devices is lost. A failure leaves what was made until then.
   * @throws SmError ConfigDeviceMissing, SRExists, SRInUse, Rootdev, InvalidDev, SRNoSpace and the LVM errors
   */
  override async sr_create(_request: Request): Promise<null> {
    const { context, lvm } = this
    const devices = configuredDevices(context)
    if (await this.isAttached()) throw new SmError('SRExists')
    const srRef = await this.srRef()
    await refuseTaken(context, devices, srRef)
    if (!(await volume.groupExists(lvm, this.uuid))) {
      for (const device of devices) await refuseUnusable(context, device)
      await createGroup(lvm, volume.groupName(this.uuid), devices)
    }
    await volume.createVolume(lvm, this.uuid, devices)
    await recordSerials(context, devices, srRef)
    return null
  }

  /** @throws SmError LVMMount, FileSRCreate, ConfigDeviceMissing */
  override async attach(): Promise<void> {
    const devices = configuredDevices(this.context)
    if (!(await this.isAttached())) await this.mount()
    if (this.context.request.sessionRef === undefined) return
    const srRef = await this.srRef()
    await recordSerials(this.context, devices, srRef)
    await chooseScheduler(this.context, devices, srRef)
  }

  /** @throws SmError SRInUse, LVMUnMount */
  override async detach(): Promise<void> {
    if (await this.isAttached()) await unmountSr(this, 'SRInUse')
    await changeOr(this.lvm, 'LVMUnMount', ['lvchange', '-an', this.volume])
  }

  /** @throws SmError SRNotEmpty, FileSRDelete, VolNotFound, PVSfailed, LVMDelete */
  override async sr_delete(request: Request): Promise<null> {
    const { lvm } = this
    const devices = configuredDevices(this.context)
    // Without a volume a previous attempt has got that far.
    if (await volume.volumeExists(lvm, this.uuid)) await super.sr_delete(request)
    for (const device of devices) {
      const listed = await volume.lookAt(lvm, ['pvs', device])
      if (listed === undefined) throw new SmError('PVSfailed', `${device} is no physical volume`)
      if (!listed.includes(volume.groupName(this.uuid)) && !(await this.hasLostGroup(device))) {
        throw new SmError('VolNotFound')
      }
    }
    await volume.removeVolume(lvm, this.uuid, devices)
    return null
  }

  /** The SRs that are on the devices. @throws SmError ConfigDeviceMissing */
  override async sr_probe(_request: Request): Promise<string> {
    const { lvm } = this
    const found = new Map<string, string[]>()
    for (const device of configuredDevices(this.context)) {
      const listed = await volume.lookAt(lvm, ['pvs', '--noheadings', '-o', 'vg_name', device])
      const srUuid = listed === undefined ? undefined : volume.srOfGroup(listed.trim())
      if (srUuid !== undefined) found.set(srUuid, [...(found.get(srUuid) ?? []), device])
    }
    const list: ProbeElement[] = []
    for (const [srUuid, devices] of found) {
      const size = String(await volume.groupSize(lvm, srUuid))
      const facts = { UUID: srUuid, Devlist: devices.join(','), size }
      list.push(['SR', Object.entries(facts)])
    }
    return probeDocument(['SRlist', list])
  }

  /** A previous attempt to delete the SR was stopped after it had removed the group: only the labels are left. */
  private async hasLostGroup(device: string): Promise<boolean> {
    if (await volume.groupExists(this.lvm, this.uuid)) return false
    return (await volume.lookAt(this.lvm, ['pvs', '--noheadings', '-o', 'vg_name', device]))?.trim() === ''
  }

  private async mount(): Promise<void> {
    const { lvm } = this
    await changeOr(lvm, 'LVMMount', ['lvchange', '-ay', this.volume])
    try {
      await this.checkFileSystem()
      await mountSr(this, ['mount', this.volume, this.path])
    } catch (error) {
      await lvm.change(['lvchange', '-an', this.volume]).catch((reason: unknown) => {
        this.context.log.warn(`the volume of SR ${this.uuid} stays active: ${String(reason)}`)
      })
      throw error
    }
  }

  /** Replays the journal and repairs what is safe to repair; 1 means that something was. */
  private async checkFileSystem(): Promise<void> {
    try {
      await this.context.system.run(['fsck', '-a', this.volume], { okExitCodes: [0, 1] })
    } catch (error) {
      const detail = `FSCK failed on ${this.volume}. Errno is ${exitCodeOf(error)}`
      throw new SmError('LVMMount', detail, { cause: error })
    }
  }
}
