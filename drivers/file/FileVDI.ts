import path from 'node:path'
import type { CommandName } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { ScannedVdi } from '../records.ts'
import type { ActivatableVdi, LocalImage } from '../datapath/ActivatableVdi.ts'
import { VDI, type VdiAttachment, type VdiInfo } from '../VDI.ts'
import { attachedDevice, attachedOffline } from './attachVdi.ts'
import { composeVdi } from './composeVdi.ts'
import { createVdi, requestedKind } from './createVdi.ts'
import { deleteVdi } from './deleteVdi.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { attachConfig } from './generateConfig.ts'
import { cbtLogName, rawName, unknownFormatOf, vhdName } from './layout.ts'
import { resetVdi } from './resetVdi.ts'
import { resizeVdi } from './resizeVdi.ts'
import { revertVdi } from './revert/revertVdi.ts'
import { cloneVdi, snapshotVdi } from './snapshot/snapshotVdi.ts'
import { updateVdi } from './updateVdi.ts'

/** `vhd`, `raw`, or only the change log of a disk whose data is gone. */
export type FileKind = 'vhd' | 'raw' | 'cbtlog'

const MISSING_NAME_TRIES = 5
const MISSING_NAME_WAIT_MS = 2000

/** A disk that is one file of an SR's directory (spec file-sr 8-11). */
export class FileVDI extends VDI implements ActivatableVdi {
  readonly sr: FileFamilySR
  kind: FileKind = 'vhd'
  /** False where no file of this uuid was found and the command copes with that. */
  present = false
  virtualSize = 0
  /** Size of the file, bytes. */
  physicalUtilisation = 0
  hidden = false
  /** Uuid of the parent VHD. */
  parent: string | undefined
  hasLog = false

  constructor(sr: FileFamilySR, uuid: string) {
    super(uuid)
    this.sr = sr
  }

  get path(): string {
    return this.sr.file(
      this.kind === 'vhd' ? vhdName(this.uuid) : this.kind === 'raw' ? rawName(this.uuid) : cbtLogName(this.uuid),
    )
  }

  /**
   * Finds the file (VHD before raw before a mere log) and reads sizes, parent and hidden flag.
   * @throws SmError SRUnavailable, VDIUnavailable, VDILoad, VDIType
   */
  override async load(): Promise<void> {
    const { command } = this.sr.context.request
    if (command === 'vdi_create') {
      this.kind = requestedKind(this.sr.context.request)
      return
    }
    // It attaches the SR itself and looks then.
    if (command === 'vdi_attach_from_config' && !(await this.sr.isAttached())) return
    const kind = await this.findKind()
    // A revert reports what is wrong with its disks itself, in its own order and with its own codes.
    if (command === 'vdi_revert') return
    if (kind === undefined) {
      await this.requireAbsenceAllowed(command)
      return
    }
    this.kind = kind
    await this.reload()
  }

  /** Reads the file again after a change. */
  async reload(): Promise<void> {
    const { files } = this.sr.context.system
    this.physicalUtilisation = (await files.stat(this.path)).size
    this.present = true
    this.hasLog = this.kind !== 'cbtlog' && (await files.exists(this.sr.file(cbtLogName(this.uuid))))
    if (this.kind !== 'vhd') {
      this.virtualSize = this.physicalUtilisation
      return
    }
    try {
      const info = await (await this.sr.vhdUtil()).info(this.path)
      this.virtualSize = info.virtualSize
      this.hidden = info.hidden
      this.parent = info.parent === undefined ? undefined : uuidOfPath(info.parent)
    } catch (error) {
      throw new SmError('VDILoad', error instanceof Error ? error.message : String(error), { cause: error })
    }
  }

  /** What the record of this disk should say, as the file is now. */
  scanned(): ScannedVdi {
    return {
      uuid: this.uuid,
      type: this.kind === 'cbtlog' ? 'cbt_metadata' : 'user',
      virtualSize: this.virtualSize,
      physicalUtilisation: this.physicalUtilisation,
      readOnly: false,
      managed: !this.hidden,
      cbtEnabled: this.kind === 'cbtlog' || (this.kind === 'vhd' && this.hasLog),
      smConfig: this.kind === 'raw' ? { type: 'raw' } : { 'vhd-parent': this.parent },
    }
  }

  info(): VdiInfo {
    return { location: this.uuid, uuid: this.uuid }
  }

  override async vdi_create(request: Request): Promise<VdiInfo> {
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

  override async vdi_snapshot(request: Request): Promise<VdiInfo> {
    return snapshotVdi(this, request)
  }

  override async vdi_clone(request: Request): Promise<VdiInfo> {
    return cloneVdi(this, request)
  }

  override async vdi_revert(request: Request): Promise<null> {
    await revertVdi(this, request)
    return null
  }

  override async vdi_compose(request: Request): Promise<null> {
    await composeVdi(this, request)
    return null
  }

  override vdi_attach(_request: Request): Promise<VdiAttachment> {
    return attachedDevice(this)
  }

  /** Whatever there was to do, vdi_deactivate did (spec datapath 1). */
  override vdi_detach(_request: Request): Promise<null> {
    return Promise.resolve(null)
  }

  override async vdi_activate(request: Request): Promise<null> {
    const { activateVdi } = await import('../datapath/activateVdi.ts')
    const { o_direct: direct } = await attachedDevice(this)
    await activateVdi(this, { writable: request.args[0] === 'true', direct })
    return null
  }

  override async vdi_deactivate(_request: Request): Promise<null> {
    const { deactivateVdi } = await import('../datapath/deactivateVdi.ts')
    await deactivateVdi(this)
    return null
  }

  /** @throws SmError VDIUnavailable for a base copy, which others depend on, for a link out of the SR, and where there is no data */
  async attachImage(writable: boolean): Promise<LocalImage> {
    await this.reload()
    const { files } = this.sr.context.system
    if (path.dirname(await files.realpath(this.path)) !== (await files.realpath(this.sr.path))) {
      throw new SmError('VDIUnavailable', `the image of VDI ${this.uuid} is a link that leads out of the SR`)
    }
    if (this.kind === 'cbtlog') throw new SmError('VDIUnavailable', `the data of VDI ${this.uuid} was destroyed`)
    if (writable && this.hidden) throw new SmError('VDIUnavailable', 'hidden VDI')
    return { path: this.path, type: this.kind === 'vhd' ? 'vhd' : 'aio', limit: { boundary: this.sr.path } }
  }

  detachImage(): Promise<void> {
    return Promise.resolve()
  }

  override vdi_generate_config(_request: Request): Promise<string> {
    return attachConfig(this)
  }

  /** Attaches and activates with xapi not there (spec file-sr 9.7). @throws SmError SRUnavailable, VDIUnavailable, TapdiskFailed */
  override async vdi_attach_from_config(_request: Request): Promise<VdiAttachment> {
    try {
      await this.sr.attach()
    } catch (error) {
      throw new SmError('SRUnavailable', 'Unable to attach from config', { cause: error })
    }
    if (!this.present) await this.load()
    const { openUnrecorded } = await import('../datapath/activateVdi.ts')
    await openUnrecorded(this, { writable: true, direct: true })
    return attachedOffline(this)
  }

  override async vdi_detach_from_config(_request: Request): Promise<null> {
    const { closeHere } = await import('../datapath/deactivateVdi.ts')
    await closeHere(this)
    return null
  }

  override async vdi_epoch_begin(request: Request): Promise<null> {
    if (request.vdiOnBoot === 'reset') await resetVdi(this)
    return null
  }

  override vdi_epoch_end(_request: Request): Promise<null> {
    return Promise.resolve(null)
  }

  /** Few commands cope with a disk that has no file; none with one whose file has a format that is not known. */
  private async requireAbsenceAllowed(command: CommandName): Promise<void> {
    if (command === 'vdi_detach_from_config') return
    const format = (await this.sr.isAttached()) ? unknownFormatOf(await this.sr.listNames(), this.uuid) : undefined
    if (format !== undefined) throw new SmError('VDIType', `this driver does not handle ${format} images`)
    if (command !== 'vdi_delete') throw new SmError('VDIUnavailable', `VDI ${this.uuid} not found`)
  }

  /** On a shared SR the name may be missing for a moment while another host switches it, so it is looked for again. */
  private async findKind(): Promise<FileKind | undefined> {
    const tries = this.sr.isShared ? MISSING_NAME_TRIES : 1
    for (let attempt = 1; ; attempt += 1) {
      const kind = await this.kindOnDisk()
      if (kind !== undefined || attempt === tries) return kind
      await new Promise(resolve => setTimeout(resolve, MISSING_NAME_WAIT_MS))
    }
  }

  private async kindOnDisk(): Promise<FileKind | undefined> {
    const { files } = this.sr.context.system
    if (await files.exists(this.sr.file(vhdName(this.uuid)))) return 'vhd'
    if (await files.exists(this.sr.file(rawName(this.uuid)))) return 'raw'
    if (await files.exists(this.sr.file(cbtLogName(this.uuid)))) return 'cbtlog'
    if (!(await this.sr.isAttached())) {
      throw new SmError('SRUnavailable', `[Errno 2] No such file or directory: '${this.sr.path}'`)
    }
    return undefined
  }
}

function uuidOfPath(parent: string): string {
  const name = parent.slice(parent.lastIndexOf('/') + 1)
  return name.endsWith('.vhd') || name.endsWith('.raw') ? name.slice(0, -4) : name
}
