import type { VdiType } from '../../lib/lvhd/names.ts'
import type { LogicalVolume } from '../../lib/lvm/report.ts'
import type { CommandName } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { attachmentOf, directReason } from '../attachment.ts'
import type { ActivatableVdi, LocalImage } from '../datapath/ActivatableVdi.ts'
import { VDI, type VdiAttachment, type VdiInfo } from '../VDI.ts'
import { composeVdi } from './composeVdi.ts'
import { createVdi } from './createVdi.ts'
import { deleteVdi } from './deleteVdi.ts'
import { findVolume, readDisks, type Disk } from './disks.ts'
import type { LvhdFamilySR } from './LvhdFamilySR.ts'
import { resetVdi } from './resetVdi.ts'
import { resizeVdi } from './resizeVdi.ts'
import { revertVdi } from './revert/revertVdi.ts'
import { snapshotVdi } from './snapshot/snapshotVdi.ts'
import { updateVdi } from './updateVdi.ts'

/** Commands that say themselves what is wrong with their disks, or need no volume. */
const WITHOUT_VOLUME: ReadonlySet<CommandName> = new Set<CommandName>([
  'vdi_create',
  'vdi_delete',
  'vdi_update',
  'vdi_attach',
  'vdi_detach',
  'vdi_activate',
  'vdi_deactivate',
  'vdi_revert',
])

/** A disk that is one volume of an SR's volume group (spec lvhd 13-14). */
export class LvhdVDI extends VDI implements ActivatableVdi {
  readonly sr: LvhdFamilySR

  constructor(sr: LvhdFamilySR, uuid: string) {
    super(uuid)
    this.sr = sr
  }

  /** @throws SmError VDIUnavailable, VDILoad, VDIType */
  override async load(): Promise<void> {
    if (!WITHOUT_VOLUME.has(this.sr.context.request.command)) await this.requireVolume()
  }

  /** The volume as LVM reports it. @throws SmError VDIUnavailable, VDILoad, VDIType */
  async requireVolume(): Promise<{ type: VdiType; volume: LogicalVolume }> {
    const found = await findVolume(this.sr, this.uuid)
    if (found === undefined) throw new SmError('VDIUnavailable', 'LV not found')
    return found
  }

  /** Volume and VHD, read without activating anything. @throws SmError VDIUnavailable, VDILoad, VDIType */
  async read(): Promise<Disk> {
    await this.requireVolume()
    const { disks, unreadable } = await readDisks(this.sr, [this.uuid])
    const broken = unreadable.find(row => row.uuid === this.uuid)
    const disk = disks.get(this.uuid)
    if (disk !== undefined) return disk
    const detail = broken === undefined ? 'LV not found' : `${broken.volume}: ${broken.error.message}`
    throw new SmError('VDIUnavailable', detail, { cause: broken?.error })
  }

  info(): VdiInfo {
    return { location: this.uuid, uuid: this.uuid }
  }

  override vdi_create(request: Request): Promise<VdiInfo> {
    return createVdi(this, request)
  }

  override async vdi_delete(_request: Request): Promise<null> {
    await deleteVdi(this)
    return null
  }

  override async vdi_update(_request: Request): Promise<null> {
    await updateVdi(this)
    return null
  }

  override async vdi_resize(request: Request): Promise<VdiInfo> {
    await resizeVdi(this, request)
    return this.info()
  }

  override vdi_snapshot(request: Request): Promise<VdiInfo> {
    const wanted = request.driverParams['type']
    return snapshotVdi(this, request, wanted === 'single' || wanted === 'internal' ? wanted : 'double')
  }

  override vdi_clone(request: Request): Promise<VdiInfo> {
    return snapshotVdi(this, request, 'double')
  }

  override async vdi_revert(request: Request): Promise<null> {
    await revertVdi(this, request)
    return null
  }

  override async vdi_compose(request: Request): Promise<null> {
    await composeVdi(this, request)
    return null
  }

  /** Where the disk will be once it is activated; nothing is opened yet (spec datapath 1). */
  override async vdi_attach(_request: Request): Promise<VdiAttachment> {
    return attachmentOf(this, await directReason(this.sr, { isSupported: false, isLoneReadOnly: false }))
  }

  /** Whatever there was to do, vdi_deactivate did (spec datapath 1). */
  override vdi_detach(_request: Request): Promise<null> {
    return Promise.resolve(null)
  }

  override async vdi_activate(request: Request): Promise<null> {
    const { activateVdi } = await import('../datapath/activateVdi.ts')
    await activateVdi(this, { writable: request.args[0] === 'true', direct: true })
    return null
  }

  override async vdi_deactivate(_request: Request): Promise<null> {
    const { deactivateVdi } = await import('../datapath/deactivateVdi.ts')
    await deactivateVdi(this)
    return null
  }

  /** @throws SmError VDIUnavailable, LVMProvisionAttach */
  async attachImage(writable: boolean): Promise<LocalImage> {
    const { openVolumes } = await import('./activation.ts')
    // The call may have waited for others who change the disk since it was loaded.
    this.sr.group.forget()
    const { type, hidden } = await this.read()
    if (writable && hidden) throw new SmError('VDIUnavailable', 'hidden VDI')
    const path = await openVolumes(this, { writable })
    return { path, type: type === 'vhd' ? 'vhd' : 'aio', limit: { group: this.sr.group.name } }
  }

  async detachImage(): Promise<void> {
    const { closeVolumes } = await import('./activation.ts')
    this.sr.group.forget()
    await closeVolumes(this)
  }

  override async vdi_epoch_begin(request: Request): Promise<null> {
    if (request.vdiOnBoot === 'reset') await resetVdi(this)
    return null
  }

  override vdi_epoch_end(_request: Request): Promise<null> {
    return Promise.resolve(null)
  }
}
