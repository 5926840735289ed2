import path from 'node:path'
import type { CommandName } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { isErrno } from '../../lib/os/files.ts'
import type { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import type { VhdUtil } from '../../lib/vhd/VhdUtil.ts'
import type { Context } from '../Context.ts'
import { SR, type RevertExplanation } from '../SR.ts'
import { adjustStatistics, fileSystemCapacity } from '../statistics.ts'
import { FileVDI } from './FileVDI.ts'
import { deleteAllFiles } from './deleteSr.ts'
import { findCollectorLeftovers, revertJournalName } from './layout.ts'
import { isMounted } from './mount.ts'
import { pendingVdis, recoverDirectory, refusePendingJournals } from './recovery.ts'
import { explainRevert } from './revert/revertVdi.ts'
import { scanSr } from './scan.ts'

const EXCLUSIVE: ReadonlySet<CommandName> = new Set<CommandName>([
  'sr_create',
  'sr_delete',
  'sr_probe',
  'sr_attach',
  'sr_detach',
  'sr_scan',
  'vdi_create',
  'vdi_delete',
  'vdi_attach',
  'vdi_detach',
  'vdi_resize',
  'vdi_resize_online',
  'vdi_snapshot',
  'vdi_clone',
  'vdi_compose',
  'vdi_data_destroy',
  'vdi_revert',
])

/** Commands before which interrupted operations are finished; sr_attach and sr_delete do it once the SR is mounted. */
const RECOVERS_BEFORE: ReadonlySet<CommandName> = new Set<CommandName>([
  'sr_scan',
  'vdi_create',
  'vdi_delete',
  'vdi_resize',
  'vdi_snapshot',
  'vdi_clone',
  'vdi_compose',
  'vdi_data_destroy',
  'vdi_revert',
])

const OPENS_DISK: ReadonlySet<CommandName> = new Set<CommandName>([
  'vdi_attach',
  'vdi_activate',
  'vdi_attach_from_config',
])

/** What FileSR, EXTSR and NFSSR share: a mounted directory with one file per disk (spec file-sr). */
export abstract class FileFamilySR extends SR {
  override readonly exclusiveCommands = EXCLUSIVE
  override readonly locksVdiLoad = true
  /** `/run/sr-mount/<sr uuid>`. */
  readonly path: string
  /** Whether other hosts change the directory too, so that a name may be missing for a moment. */
  readonly isShared: boolean = false
  /** Whether reads may be cached by the host, and disks reset at boot (spec file-sr 1.1). */
  readonly hasOwnFileSystem: boolean = false

  constructor(context: Context) {
    super(context)
    this.path = context.paths.srMount(this.uuid)
  }

  /** What vdi_attach_from_config needs beyond device_config, because it runs without a XenAPI session (spec file-sr 9.7). */
  offlineConfig(): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
    return Promise.resolve({})
  }

  /** Undoes `attach`. Succeeds where nothing is attached. */
  abstract detach(): Promise<void>

  /** Whether the SR's directory can be used, by whatever means it was attached. */
  isAttached(): Promise<boolean> {
    return isMounted(this.context.system.files, this.path)
  }

  file(name: string): string {
    return path.join(this.path, name)
  }

  vhdUtil(): Promise<VhdUtil> {
    return this.context.vhdUtil(this.path)
  }

  embeddedVhd(): EmbeddedVhdUtil {
    return this.context.embeddedVhd(this.path)
  }

  /** False where the hard-link test of a shared SR found none (`sm-hardlink.conf`, spec file-sr 6.3). */
  async hasHardLinks(): Promise<boolean> {
    try {
      return (await this.context.system.files.readText(this.file('sm-hardlink.conf'))).trim() !== '0'
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return true
      throw error
    }
  }

  /** Every name in the SR's directory. @throws SmError SRUnavailable where it cannot be listed */
  async listNames(): Promise<string[]> {
    try {
      return await this.context.system.files.list(this.path)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
      throw new SmError('SRUnavailable', `[Errno 2] No such file or directory: '${this.path}'`, { cause: error })
    }
  }

  /** Adds `delta` bytes to the SR's virtual allocation and refreshes its physical figures. */
  async adjustStatistics(delta: number): Promise<void> {
    await adjustStatistics(this, delta, await fileSystemCapacity(this, this.path))
  }

  override vdi(uuid: string): FileVDI {
    return new FileVDI(this, uuid)
  }

  override recoversBefore(command: CommandName): boolean {
    return RECOVERS_BEFORE.has(command)
  }

  override async recover(): Promise<void> {
    if (await this.isAttached()) await recoverDirectory(this)
  }

  /** Only a revert must run on the master; xapi does not see to that itself (spec smapi 8.6). @throws SmError SMGeneral */
  override refuseOnSlave(command: CommandName): void {
    if (command === 'vdi_revert' && !this.context.request.isMaster) {
      throw new SmError('SMGeneral', 'vdi_revert must run on the SR master')
    }
  }

  /**
   * Runs after recovery: what is still pending could not be settled. On the master a disk may at least be let go of, and
   * the target of a revert be deleted.
   */
  override async refusePending(command: CommandName): Promise<void> {
    const { vdiUuid, isMaster } = this.context.request
    if (vdiUuid === undefined || command === 'vdi_create') return
    const deletesTarget = command === 'vdi_delete' && isMaster && (await this.hasRevertJournal(vdiUuid))
    const touches = !isMaster || OPENS_DISK.has(command) || this.recoversBefore(command)
    if (touches && !deletesTarget) await refusePendingJournals(this, vdiUuid)
    if (OPENS_DISK.has(command) || this.recoversBefore(command)) await this.refuseCollectorsDisk(vdiUuid)
  }

  override async pendingVdis(): Promise<ReadonlySet<string>> {
    return (await this.isAttached()) ? pendingVdis(this) : new Set()
  }

  private hasRevertJournal(vdiUuid: string): Promise<boolean> {
    return this.context.system.files.exists(this.file(revertJournalName(vdiUuid)))
  }

  /** The collector was stopped while a disk's image had another's name: undoing that takes it away again (spec gc 10). */
  private async refuseCollectorsDisk(vdiUuid: string): Promise<void> {
    if (!(await this.isAttached())) return
    if (findCollectorLeftovers(await this.listNames()).leaves.has(vdiUuid)) {
      throw new SmError('VDIUnavailable', `the garbage collector has not finished with VDI ${vdiUuid}`)
    }
  }

  override async explainRevert(snapshotUuid: string, request: Request): Promise<RevertExplanation> {
    if (!(await this.isAttached())) throw new SmError('SRUnavailable', 'the SR is not attached')
    await refusePendingJournals(this, snapshotUuid)
    for (const uuid of request.args) await refusePendingJournals(this, uuid, { replaced: true })
    const snapshot = this.vdi(snapshotUuid)
    await snapshot.load()
    return explainRevert(snapshot, request)
  }

  override async scan(): Promise<void> {
    await this.requireAttached()
    await scanSr(this)
  }

  override async sr_scan(_request: Request): Promise<null> {
    await this.scan()
    return null
  }

  override async sr_update(_request: Request): Promise<null> {
    await this.requireAttached()
    await this.adjustStatistics(0)
    return null
  }

  override async sr_detach(_request: Request): Promise<null> {
    await this.detach()
    return null
  }

  override async sr_delete(_request: Request): Promise<null> {
    await this.attach()
    await this.recover()
    await deleteAllFiles(this)
    await this.detach()
    return null
  }

  override sr_content_type(_request: Request): Promise<string> {
    return Promise.resolve('vhd')
  }

  private async requireAttached(): Promise<void> {
    if (!(await this.isAttached())) throw new SmError('SRUnavailable', `no such directory ${this.path}`)
  }
}
