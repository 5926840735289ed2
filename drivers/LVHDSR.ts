import { createGroup, groupsOn, growPhysicalVolumes, removeGroup } from '../lib/lvm/groups.ts'
import { clearGroupMappings } from '../lib/lvm/mapping.ts'
import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { deviceSize } from '../lib/vhd/Storage.ts'
import { chooseScheduler, configuredDevices, recordSerials, refuseTaken, refuseUnusable } from './ext/devices.ts'
import { emptyGroup } from './lvhd/deleteSr.ts'
import { LvhdFamilySR } from './lvhd/LvhdFamilySR.ts'
import { probeAnswer } from './lvhd/probe.ts'

/** Bytes by which a disk must be larger than its part of the group (spec lvhd 12). */
const LEAST_GROWTH = 100 * 1024 * 1024

/** An SR in a volume group on this host's disks, `device_config:device` (spec lvhd). */
export class LVHDSR extends LvhdFamilySR {
  /**
   * Makes the volume group; what is on the devices is lost.
   * @throws SmError ConfigDeviceMissing, SRExists, SRInUse, Rootdev, InvalidDev and the LVM errors
   */
  override async sr_create(_request: Request): Promise<null> {
    const { context, group } = this
    const devices = configuredDevices(context)
    if (await group.exists()) throw new SmError('SRExists')
    const srRef = await this.srRef()
    await refuseTaken(context, devices, srRef)
    for (const device of devices) await refuseUnusable(context, device)
    await createGroup(group.lvm, group.name, devices)
    await recordSerials(context, devices, srRef)
    const smConfig = await context.xapi.srGetSmConfig(srRef)
    if (smConfig['use_vhd'] !== 'true') {
      if ('use_vhd' in smConfig) await context.xapi.srRemoveFromSmConfig(srRef, 'use_vhd')
      await context.xapi.srAddToSmConfig(srRef, 'use_vhd', 'true')
    }
    return null
  }

  /** @throws SmError SRNotEmpty, SRInUse, LVMNoVolume, PVSfailed, LVMDelete */
  override async sr_delete(_request: Request): Promise<null> {
    const { context, group } = this
    if (!(await context.gc.abort(this.uuid))) throw new SmError('SRInUse', 'the garbage collector is running')
    if (await group.exists()) {
      await emptyGroup(this)
      await clearGroupMappings(group.lvm, group.name)
    }
    await removeGroup(group.lvm, group.name)
    await this.references.forgetAll()
    return null
  }

  /** The SRs that are on the devices. @throws SmError ConfigDeviceMissing */
  override async sr_probe(_request: Request): Promise<string> {
    const { lvm } = this.group
    const metadata = this.context.request.srSmConfig['metadata'] === 'true'
    return probeAnswer(lvm, await groupsOn(lvm, configuredDevices(this.context)), { metadata })
  }

  override async refreshDevices(): Promise<void> {
    const { context, group } = this
    const devices = configuredDevices(context)
    const grown = await this.#grownDevices()
    if (grown.length > 0) {
      await growPhysicalVolumes(group.lvm, grown)
      group.forget()
    }
    if (context.request.command !== 'sr_attach') return
    const srRef = await this.srRef()
    await recordSerials(context, devices, srRef)
    await chooseScheduler(context, devices, srRef)
  }

  /** Disks of the group that have become larger than what LVM uses of them, by so much that it is no rounding. */
  async #grownDevices(): Promise<string[]> {
    const { files } = this.context.system
    const grown: string[] = []
    for (const { device, size } of (await this.group.report()).physicalVolumes) {
      try {
        if ((await deviceSize(files, await files.identity(device))) >= size + LEAST_GROWTH) grown.push(device)
      } catch (error) {
        this.context.log.warn(`the size of ${device} is not known: ${String(error)}`)
      }
    }
    return grown
  }
}
