import { adapters } from '../lib/scsi/adapters.ts'
import { removePaths } from '../lib/scsi/devices.ts'
import { rescanHosts } from '../lib/scsi/rescan.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { scsiIdsInUse } from './lun/inUse.ts'
import { LunSR } from './lun/LunSR.ts'

/** LVHD on a LUN behind a host bus adapter: Fibre Channel, SAS, iSCSI offload (spec iscsi-hba 9). Nobody logs in anywhere. */
export class LVHDoHBASR extends LunSR {
  /** @throws SmError ConfigSCSIid (107) where no LUN is named; those that can be are on stderr then */
  protected override async loadTarget(): Promise<void> {
    if (this.scsiId !== '') return
    const { probeDevices } = await import('./hba/probeDevices.ts')
    const document = await probeDevices(this.context, await scsiIdsInUse(this.context))
    process.stderr.write(`${document}\n`)
    throw new SmError('ConfigSCSIid')
  }

  /** The LUN is there as soon as an adapter sees it; a path or a map that is missing is looked for. */
  override async connect(_holder: string): Promise<void> {
    const multipath = await this.multipath()
    await multipath.activate()
    await multipath.refresh(this.scsiId)
    if (await this.#isThere()) return
    const hosts = (await adapters(this.context)).map(({ number }) => number)
    await rescanHosts(this.context, hosts)
    await multipath.refresh(this.scsiId)
  }

  override async disconnect(_holder: string): Promise<void> {
    await (await this.multipath()).reset(this.scsiId)
  }

  /** After a reboot a scan may come before the attach. */
  protected override async reconnect(): Promise<void> {
    const multipath = await this.multipath()
    if (multipath.isOn && !(await this.#isThere())) await multipath.refresh(this.scsiId)
  }

  /** What the LUN's next user finds on it is read anew. */
  protected override async afterDelete(): Promise<void> {
    await removePaths(this.context, this.scsiId)
  }

  async #isThere(): Promise<boolean> {
    const { files } = this.context.system
    for (const device of await this.devices()) {
      if (!(await files.exists(device))) return false
    }
    return true
  }
}
