import { chooseMultipath } from '../../lib/multipath/chooseMultipath.ts'
import { refreshLunSize } from '../../lib/multipath/lunSize.ts'
import { isMultipathing, type Multipath } from '../../lib/multipath/Multipath.ts'
import { clearGroupMappings, hasGroupMappings } from '../../lib/lvm/mapping.ts'
import { lunEntries } from '../../lib/scsi/links.ts'
import { isScsiId } from '../../lib/scsi/scsiId.ts'
import type { CommandName } from '../../lib/smapi/commands.ts'
import type { Request } from '../../lib/smapi/Request.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { StringMap } from '../../lib/xapi/XapiClient.ts'
import type { Context } from '../Context.ts'
import { chooseScheduler } from '../ext/devices.ts'
import { LVHDSR } from '../LVHDSR.ts'
import { refuseDiskInUse } from './inUse.ts'
import { LunVDI } from './LunVDI.ts'
import { lvmOptionsOf } from './lvmOfSr.ts'
import { requireOneDisk } from './oneDisk.ts'
import { countPaths, forgetPaths } from './pathCounts.ts'
import { hostsTakeUpSize } from './growth.ts'

/** Commands on an SR that is attached: they neither ask the network nor look for devices (spec iscsi-hba 1). */
const ON_ATTACHED_SR: ReadonlySet<CommandName> = new Set<CommandName>([
  'vdi_attach',
  'vdi_detach',
  'vdi_activate',
  'vdi_deactivate',
  'vdi_epoch_begin',
  'vdi_epoch_end',
])

/**
 * An LVHD SR on one LUN that every host of the pool sees, known by `device_config:SCSIid` (spec iscsi-hba): what differs by
 * transport is how the LUN comes to this host (`connect`) and goes.
 *
 * What undoes is in the reverse order of what does: the volumes are deactivated, then the map is removed, then whatever brought
 * the LUN here ends. Anything else loses what is in flight.
 */
export abstract class LunSR extends LVHDSR {
  override readonly isShared = true
  /** Empty where the configuration has none: only a dialogue is possible then. */
  readonly scsiId: string
  #multipath: Promise<Multipath> | undefined

  constructor(context: Context) {
    const scsiId = context.request.deviceConfig['SCSIid'] ?? ''
    if (scsiId !== '' && !isScsiId(scsiId)) throw new SmError('ConfigSCSIid', 'malformed')
    super(context, scsiId === '' ? {} : lvmOptionsOf(context, scsiId))
    this.scsiId = scsiId
  }

  /**
   * Checks the configuration of a command that is not one on an attached SR, and answers an incomplete one with what can be
   * chosen: the hint goes to stderr, the error is ConfigSCSIid (107) or that of the transport.
   */
  protected abstract loadTarget(): Promise<void>

  /**
   * Brings the LUN to this host, map included, on behalf of `holder`: this SR, or a random uuid for a moment's look. What
   * another holder needs stays when this one lets go.
   */
  abstract connect(holder: string): Promise<void>

  /** Undoes `connect`, and what of it a failed one has done. Nothing happens where nothing is connected. */
  abstract disconnect(holder: string): Promise<void>

  /** Brings back what was lost of the connection of an attached SR; runs before a scan. Failures are its own affair. */
  protected abstract reconnect(): Promise<void>

  /** What a failed sr_create reports. */
  protected creationFailure(error: unknown): unknown {
    return error
  }

  /** What sr_delete leaves behind on this host besides the connection. */
  protected afterDelete(): Promise<void> {
    return Promise.resolve()
  }

  /** Keys of `PBD.other_config` that a detached SR has no use for. */
  protected pbdKeys(): string[] {
    return [`mpath-${this.scsiId}`, 'multipathed']
  }

  override async load(): Promise<void> {
    if (!ON_ATTACHED_SR.has(this.context.request.command)) await this.loadTarget()
    await super.load()
  }

  /** How this host gets to its LUNs; off where that is not known. */
  multipath(): Promise<Multipath> {
    this.#multipath ??= this.#chooseMultipath()
    return this.#multipath
  }

  /** The one device of the LUN: its map, or one of its paths. It need not be there. */
  override async devices(): Promise<readonly string[]> {
    return [await (await this.multipath()).path(this.scsiId)]
  }

  /** A configuration by which this host attaches a disk of the SR without asking xapi anything (spec iscsi-hba 8). */
  async offlineConfig(): Promise<StringMap> {
    const { request, xapi } = this.context
    const hostConfig = await xapi.hostGetOtherConfig(request.hostRef ?? '')
    // Who is the master then is not known.
    const config = Object.entries(request.deviceConfig).filter(([key]) => key !== 'SRmaster')
    return {
      ...Object.fromEntries(config),
      multipathing: String(isMultipathing(request.deviceConfig, hostConfig)),
      multipathhandle: request.deviceConfig['multipathhandle'] ?? hostConfig['multipathhandle'] ?? 'dmp',
    }
  }

  /** I/O scheduler of the LUN's paths and map (spec iscsi-hba 6). */
  async setSchedulers(): Promise<void> {
    await chooseScheduler(this.context, await lunEntries(this.context, this.scsiId), await this.srRef())
  }

  override vdi(uuid: string): LunVDI {
    return new LunVDI(this, uuid)
  }

  override async sr_create(request: Request): Promise<null> {
    await refuseDiskInUse(this.context, this.scsiId, await this.srRef())
    try {
      return await this.#whileConnected(this.uuid, () => super.sr_create(request))
    } catch (error) {
      throw this.creationFailure(error)
    } finally {
      await this.#forgetPaths([`mpath-${this.scsiId}`])
    }
  }

  /**
   * On any failure nothing of this attempt stays; the failure that is reported is the first one. An SR with volumes mapped
   * is in use, as when only the toolstack was started again: that stays.
   */
  override async attach(): Promise<void> {
    const isUsed = await hasGroupMappings(this.group.lvm, this.group.name)
    try {
      await this.connect(this.uuid)
      await this.setSchedulers()
      await requireOneDisk(this)
      await super.attach()
    } catch (error) {
      this.group.forget()
      if (!isUsed) await this.#closeAndLetGo()
      throw error
    }
    await this.#markMultipathable()
    if ((await this.multipath()).isOn) await countPaths(this.context, await this.srRef(), this.scsiId)
  }

  override async sr_detach(request: Request): Promise<null> {
    await super.sr_detach(request)
    await this.disconnect(this.uuid)
    await this.#forgetPaths(this.pbdKeys())
    return null
  }

  /**
   * The connection ends also where the SR could not be deleted: nobody has it attached (spec iscsi-hba 8, 9). What somebody
   * has open all the same keeps it.
   */
  override async sr_delete(request: Request): Promise<null> {
    try {
      await super.sr_delete(request)
    } catch (error) {
      await this.#closeAndLetGo()
      throw error
    }
    await this.disconnect(this.uuid)
    await this.afterDelete()
    await this.#forgetPaths([`mpath-${this.scsiId}`])
    return null
  }

  override async sr_scan(request: Request): Promise<null> {
    const wasThere = await this.group.exists()
    await this.reconnect()
    if (!wasThere) await this.recover()
    return super.sr_scan(request)
  }

  /** @throws SmError SRInUse: a map is there, and looking at it would end by removing it */
  override async sr_probe(request: Request): Promise<string> {
    if (await (await this.multipath()).hasMap(this.scsiId)) {
      throw new SmError('SRInUse', `SCSI id ${this.scsiId} has a multipath map`)
    }
    return this.#whileConnected(this.context.system.newUuid(), () => super.sr_probe(request))
  }

  protected override refreshSizes(): Promise<boolean> {
    return refreshLunSize(this.context, this.scsiId)
  }

  protected override async mayGrow(): Promise<boolean> {
    return hostsTakeUpSize(this.context, await this.otherHosts(), this.scsiId)
  }

  async #whileConnected<T>(holder: string, body: () => Promise<T>): Promise<T> {
    let result: T
    try {
      await this.connect(holder)
      result = await body()
    } catch (error) {
      await this.#letGo(holder)
      throw error
    }
    await this.disconnect(holder)
    return result
  }

  /** What is written to an open volume would be lost with its LUN: then the connection stays. */
  async #closeAndLetGo(): Promise<void> {
    await this.cleanup()
    await this.#quietly('closing the volumes and disconnecting', async () => {
      await clearGroupMappings(this.group.lvm, this.group.name)
      await this.disconnect(this.uuid)
    })
  }

  /** The cleanup of a failure, which must not hide it. */
  async #letGo(holder: string): Promise<void> {
    await this.#quietly('disconnecting', () => this.disconnect(holder))
  }

  async #quietly(what: string, step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      this.context.log.error(`${what} after a failure: ${String(error)}`)
    }
  }

  async #forgetPaths(keys: readonly string[]): Promise<void> {
    await forgetPaths(this.context, await this.srRef(), keys)
  }

  async #chooseMultipath(): Promise<Multipath> {
    const { request, xapi, log } = this.context
    let hostConfig = {}
    if (request.sessionRef !== undefined && request.hostRef !== undefined) {
      hostConfig = await xapi.hostGetOtherConfig(request.hostRef).catch((error: unknown) => {
        log.warn(`whether this host uses multipathing is not known: ${String(error)}`)
        return {}
      })
    }
    return chooseMultipath(this.context, isMultipathing(request.deviceConfig, hostConfig))
  }

  async #markMultipathable(): Promise<void> {
    const { xapi, log } = this.context
    try {
      const srRef = await this.srRef()
      const smConfig = await xapi.srGetSmConfig(srRef)
      if (smConfig['multipathable'] === 'true') return
      await xapi.srSetSmConfig(srRef, { ...smConfig, multipathable: 'true' })
    } catch (error) {
      log.warn(`SR ${this.uuid} is not marked multipathable: ${String(error)}`)
    }
  }
}
