import { VolumeJournals } from '../../lib/journal/VolumeJournals.ts'
import type { LvhdTools } from '../../lib/lvhd/inflate.ts'
import { MetadataVolume } from '../../lib/lvhd/MetadataVolume.ts'
import { kindOf, METADATA_VOLUME } from '../../lib/lvhd/names.ts'
import { Activator } from '../../lib/lvm/Activator.ts'
import { Lvm, type LvmOptions } from '../../lib/lvm/Lvm.ts'
import { clearGroupMappings } from '../../lib/lvm/mapping.ts'
import { groupName } from '../../lib/lvm/names.ts'
import { RefCounter } from '../../lib/lvm/RefCounter.ts'
import { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import type { CommandName } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { isSmError, SmError } from '../../lib/smapi/SmError.ts'
import type { VhdUtil } from '../../lib/vhd/VhdUtil.ts'
import type { Context } from '../Context.ts'
import { SR, type RevertExplanation } from '../SR.ts'
import { adjustStatistics, type Capacity } from '../statistics.ts'
import { LvhdVDI } from './LvhdVDI.ts'
import { ensureMetadata, synchroniseMetadata, updateMetadataOfSr } from './metadata.ts'
import { recoverGroup } from './recovery/recoverGroup.ts'
import { resetReferences } from './references.ts'
import { explainRevert } from './revert/revertVdi.ts'
import { scanSr } from './scan.ts'
import { otherHosts, tellHosts, type SlaveAction } from './slaves.ts'

const EXCLUSIVE: ReadonlySet<CommandName> = new Set<CommandName>([
  'sr_create',
  'sr_delete',
  'sr_attach',
  'sr_detach',
  'sr_scan',
  'sr_update',
  'vdi_create',
  'vdi_delete',
  'vdi_update',
  'vdi_resize',
  'vdi_snapshot',
  'vdi_clone',
  'vdi_compose',
  'vdi_epoch_begin',
  'vdi_revert',
])

/** Commands before which nothing is repaired: they use what is there, or come before there is anything. */
const WITHOUT_RECOVERY: ReadonlySet<CommandName> = new Set<CommandName>([
  'sr_create',
  'sr_attach',
  'sr_probe',
  'vdi_attach',
  'vdi_detach',
  'vdi_activate',
  'vdi_deactivate',
])

/** Commands that need no metadata volume, or make sure of it once the group had a chance to grow. */
const SEE_TO_METADATA: ReadonlySet<CommandName> = new Set<CommandName>(['sr_detach', 'sr_delete', 'sr_scan'])

/** A full group may have no room for the metadata volume: what makes room, and has to come before, works without. */
const WITHOUT_METADATA: ReadonlySet<CommandName> = new Set<CommandName>(['sr_attach', 'vdi_delete'])

/** Commands that change LVM's metadata, which only the master may (spec lvhd 12, 14). */
const MASTER_ONLY: ReadonlySet<CommandName> = new Set<CommandName>([
  'sr_create',
  'sr_delete',
  'sr_scan',
  'vdi_create',
  'vdi_delete',
  'vdi_resize',
  'vdi_snapshot',
  'vdi_clone',
  'vdi_compose',
  'vdi_revert',
])

/** How much room a disk's volume gets: all that it may need one day, or what it needs now. */
export type Allocation = 'thick' | 'thin'

/** What LVHDSR, LVHDoISCSISR and LVHDoHBASR share: a volume group with one volume per disk (spec lvhd). */
export abstract class LvhdFamilySR extends SR {
  override readonly exclusiveCommands = EXCLUSIVE
  readonly group: VolumeGroup
  readonly journals: VolumeJournals
  readonly metadata: MetadataVolume
  readonly references: RefCounter
  readonly activator: Activator
  /** Whether other hosts have the SR too. */
  readonly isShared: boolean = false
  #mode: Promise<{ allocation: Allocation; isLegacy: boolean }> | undefined

  constructor(context: Context, options: LvmOptions = {}) {
    super(context)
    const lvm = new Lvm(context, { master: context.request.isMaster, ...options })
    this.group = new VolumeGroup(lvm, groupName(this.uuid))
    this.journals = new VolumeJournals(this.group)
    this.metadata = new MetadataVolume(this.group)
    this.references = new RefCounter(context, this.uuid)
    this.activator = new Activator(this.group, this.references)
  }

  /** What is done about the disks below the group at each master attach; failures are logged only. */
  abstract refreshDevices(): Promise<void>

  /** @throws SmError InvalidArg */
  override load(): Promise<void> {
    const { deviceConfig, srRef } = this.context.request
    const { allocation } = deviceConfig
    if (srRef !== undefined && allocation !== undefined && !isAllocation(allocation)) {
      return Promise.reject(new SmError('InvalidArg', 'Allocation parameter must be one of thin, thick'))
    }
    return Promise.resolve()
  }

  vhdUtil(): Promise<VhdUtil> {
    return this.context.vhdUtil({ group: this.group.name })
  }

  /** What growing and cutting volumes works with. */
  async tools(): Promise<LvhdTools> {
    return { group: this.group, journals: this.journals, vhd: await this.vhdUtil() }
  }

  async allocation(): Promise<Allocation> {
    return (await this.#readMode()).allocation
  }

  /** An SR of a very old release: raw disks only, no metadata volume (spec lvhd 3.6). */
  async isLegacy(): Promise<boolean> {
    return (await this.#readMode()).isLegacy
  }

  /** Room of the group, bytes. */
  async capacity(): Promise<Capacity> {
    const { size, free } = await this.group.report()
    return { size, utilisation: size - free }
  }

  /** @throws SmError SRNoSpace where the group has less than so many bytes free */
  async requireFree(bytes: number): Promise<void> {
    const { free } = await this.group.report()
    if (free < bytes) throw new SmError('SRNoSpace', `${bytes} bytes are needed, ${free} are free`)
  }

  async adjustStatistics(delta: number): Promise<void> {
    await adjustStatistics(this, delta, await this.capacity())
  }

  /** Has hosts carry out actions on volumes of this SR. @throws XapiError where a live one fails */
  async tellHosts(hosts: readonly string[], actions: readonly SlaveAction[]): Promise<void> {
    await tellHosts(this.context, { srUuid: this.uuid, vgName: this.group.name }, hosts, actions)
  }

  /** The other hosts that have this SR attached; a local SR has none. */
  async otherHosts(): Promise<string[]> {
    return this.isShared ? otherHosts(this.context, await this.srRef()) : []
  }

  override vdi(uuid: string): LvhdVDI {
    return new LvhdVDI(this, uuid)
  }

  override recoversBefore(command: CommandName): boolean {
    return !WITHOUT_RECOVERY.has(command)
  }

  override async recover(): Promise<void> {
    const { command } = this.context.request
    if (!(await this.group.exists())) return
    await recoverGroup(this)
    if (SEE_TO_METADATA.has(command) || (await this.isLegacy())) return
    try {
      await ensureMetadata(this)
    } catch (error) {
      if (!WITHOUT_METADATA.has(command) || !isSmError(error, 'MetadataError')) throw error
      this.context.log.error(`SR ${this.uuid} has no metadata volume: ${String(error)}`)
    }
  }

  /** @throws SmError LVMMaster */
  override refuseOnSlave(command: CommandName): void {
    if (MASTER_ONLY.has(command) && !this.context.request.isMaster) throw new SmError('LVMMaster')
  }

  /** @throws SmError VDIUnavailable for a disk whose interrupted operation is still to be settled */
  override async refusePending(command: CommandName): Promise<void> {
    const { vdiUuid } = this.context.request
    const opens = command === 'vdi_activate' || command === 'vdi_attach_from_config'
    if (vdiUuid === undefined || command === 'vdi_create' || command === 'vdi_update') return
    if (!opens && !this.recoversBefore(command)) return
    if (await this.group.exists()) await this.requireSettled(vdiUuid)
  }

  /**
   * What an unsettled journal names, be it as a base, may be renamed, cut or removed by its recovery at any time.
   * @throws SmError VDIUnavailable
   */
  async requireSettled(...vdiUuids: readonly string[]): Promise<void> {
    const { uuids } = await this.journals.concerned()
    if (!vdiUuids.some(uuid => uuids.has(uuid))) return
    const advice = 'Interrupted operation detected on this VDI, scan SR first to trigger auto-repair'
    throw new SmError('VDIUnavailable', advice)
  }

  override async pendingVdis(): Promise<ReadonlySet<string>> {
    return (await this.group.exists()) ? (await this.journals.concerned()).uuids : new Set()
  }

  /** @throws SmError SRUnavailable where the host sees no such volume group */
  override async attach(): Promise<void> {
    await resetReferences(this)
    await this.group.report()
    if (!this.context.request.isMaster) return
    await this.recover()
    await this.refreshDevices()
    if (!(await this.isLegacy())) await synchroniseMetadata(this)
  }

  /** @throws SmError SRInUse where something of the SR is open */
  override async sr_detach(_request: Request): Promise<null> {
    const { gc } = this.context
    if (!(await gc.abort(this.uuid))) throw new SmError('SRInUse', 'the garbage collector is running')
    try {
      await clearGroupMappings(this.group.lvm, this.group.name)
    } catch (error) {
      throw new SmError('SRInUse', 'SR detach failed', { cause: error })
    }
    await this.references.forgetAll()
    return null
  }

  override explainRevert(snapshotUuid: string, request: Request): Promise<RevertExplanation> {
    return explainRevert(this.vdi(snapshotUuid), request)
  }

  override async scan(): Promise<void> {
    await scanSr(this)
  }

  override async sr_scan(_request: Request): Promise<null> {
    await this.refreshDevices()
    if (!(await this.isLegacy())) await ensureMetadata(this)
    await this.scan()
    return null
  }

  override async sr_update(_request: Request): Promise<null> {
    if (!(await this.group.exists())) return null
    await this.adjustStatistics(0)
    if (this.context.request.isMaster && !(await this.isLegacy())) await updateMetadataOfSr(this)
    return null
  }

  override sr_content_type(_request: Request): Promise<string> {
    return Promise.resolve('vhd')
  }

  /** Drops what this call held active. What fails here does not make a failure of what the call has done. */
  override async cleanup(): Promise<void> {
    try {
      await this.activator.release()
    } catch (error) {
      this.context.log.error(`volumes of SR ${this.uuid} stay active: ${String(error)}`)
    }
  }

  #readMode(): Promise<{ allocation: Allocation; isLegacy: boolean }> {
    this.#mode ??= this.#findMode()
    return this.#mode
  }

  async #findMode(): Promise<{ allocation: Allocation; isLegacy: boolean }> {
    const { xapi, request } = this.context
    const smConfig = await xapi.srGetSmConfig(await this.srRef())
    const wanted = [smConfig['allocation'], request.deviceConfig['allocation']].find(isAllocation)
    const isLegacy = smConfig['use_vhd'] !== 'true' && !(await this.#hasVhdOrMetadata())
    return { allocation: wanted ?? 'thick', isLegacy }
  }

  /** Either is enough: the metadata volume may be lost. */
  async #hasVhdOrMetadata(): Promise<boolean> {
    const { volumes } = await this.group.report()
    return volumes.has(METADATA_VOLUME) || [...volumes.values()].some(volume => kindOf(volume).kind === 'vhd')
  }
}

function isAllocation(text: string | undefined): text is Allocation {
  return text === 'thick' || text === 'thin'
}
