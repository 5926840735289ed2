import { createHash } from 'node:crypto'
import * as fs from 'node:fs/promises'
import type { Context } from '../../drivers/Context.ts'
import { LVHDoHBASR } from '../../drivers/LVHDoHBASR.ts'
import { LVHDoISCSISR } from '../../drivers/LVHDoISCSISR.ts'
import { LVHDSR } from '../../drivers/LVHDSR.ts'
import { closeVolumes, openVolumes } from '../../drivers/lvhd/activation.ts'
import { makeContext } from '../../drivers/makeContext.ts'
import { LockManager } from '../../lib/lock/Lock.ts'
import type { MetadataVdi } from '../../lib/lvhd/metadata.ts'
import { MetadataVolume } from '../../lib/lvhd/MetadataVolume.ts'
import { kindOf } from '../../lib/lvhd/names.ts'
import { isUnreadable, scanVhds } from '../../lib/lvhd/scan.ts'
import { Lvm } from '../../lib/lvm/Lvm.ts'
import { groupName } from '../../lib/lvm/names.ts'
import type { LogicalVolume } from '../../lib/lvm/report.ts'
import { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import { usingReader } from '../../lib/lvm/VolumeReader.ts'
import { makeLogger } from '../../lib/os/log.ts'
import type { System } from '../../lib/os/system.ts'
import { decodeRequest } from '../../lib/smapi/Request.ts'
import { encodeMethodCall } from '../../lib/smapi/xmlrpc.ts'
import { VhdChain } from '../../lib/vhd/VhdChain.ts'
import { VhdLeafWriter } from '../../lib/vhd/VhdLeafWriter.ts'
import type { VhdScanError, VhdScanRow } from '../../lib/vhd/VhdUtil.ts'
import { readLayers } from './volumeLayers.ts'
import { MIB, World, type Disk, type WorldOptions } from './World.ts'

/** Drivers of SRs on a LUN, by type. */
const DRIVERS = new Map<string, new (context: Context) => LVHDSR>([
  ['lvmohba', LVHDoHBASR],
  ['lvhdoiscsi', LVHDoISCSISR],
])

/** Where a world's volume group is: on a model of LVM or on a real one. */
export interface LvmHost {
  system(): System
  /** Copies the volume group into a directory. */
  save(directory: string): Promise<void>
  restore(directory: string): Promise<void>
}

/** A world whose SR is a volume group. Its disks go by the names that the images of a file SR would have. */
export class LvmWorld extends World {
  readonly storageHost: LvmHost

  private constructor(root: string, options: WorldOptions, host: LvmHost) {
    super(root, options)
    this.storageHost = host
  }

  /** Makes the SR, or attaches the one of a group that is there. */
  static async on(host: LvmHost, options: WorldOptions, root?: string): Promise<LvmWorld> {
    const { succession } = options
    const world = new LvmWorld(root ?? succession?.root ?? (await World.makeRoot()), options, host)
    if (succession !== undefined) await world.takeOver(succession)
    else await (options.srUuid === undefined ? world.createSr() : world.attachSr(options.srUuid))
    return world
  }

  private async attachSr(srUuid: string): Promise<void> {
    await fs.mkdir(this.paths.root, { recursive: true })
    await this.start()
    const { deviceConfig, smConfig = {} } = this.options
    this.srUuid = srUuid
    const args = [
      srUuid,
      this.options.srName ?? 'test',
      '',
      this.options.type,
      '',
      false,
      { use_vhd: 'true', ...smConfig },
    ] as const
    this.srRef = String(await this.call('SR.introduce', ...args))
    const pbd = { host: await this.host(), SR: this.srRef, device_config: { ...deviceConfig }, other_config: {} }
    await this.call('PBD.plug', String(await this.call('PBD.create', pbd)))
  }

  /** The group as it is now. */
  get group(): VolumeGroup {
    const system = this.storageHost.system()
    const log = makeLogger({ spec: 'none' })
    const lvm = new Lvm(
      { system, paths: this.paths, locks: new LockManager(this.paths, system.effects), log },
      { master: true },
    )
    return new VolumeGroup(lvm, groupName(this.srUuid))
  }

  async volumes(): Promise<Map<string, LogicalVolume>> {
    return new Map((await this.group.report()).volumes)
  }

  /** What the metadata volume says of each VDI. */
  async metadata(): Promise<ReadonlyMap<string, MetadataVdi>> {
    return (await new MetadataVolume(this.group).read()).vdis
  }

  async editMetadata(uuid: string, changes: Partial<MetadataVdi>): Promise<void> {
    await new MetadataVolume(this.group).update(uuid, changes)
  }

  override async names(): Promise<string[]> {
    return [...(await this.volumes()).values()].flatMap(volume => {
      const kind = kindOf(volume)
      if (kind.kind === 'metadata') return []
      if (kind.kind === 'vhd') return [`${kind.uuid}.vhd`]
      return [kind.kind === 'aio' ? `${kind.uuid}.raw` : volume.name]
    })
  }

  override async images(): Promise<(VhdScanRow | VhdScanError)[]> {
    const rows = await scanVhds(this.group)
    return [...rows.values()].map(row => {
      const name = `${row.uuid}.vhd`
      if (isUnreadable(row)) return { name, error: row.error }
      const parentName =
        row.parent === undefined ? undefined : `${row.parent.uuid}.${row.parent.type === 'vhd' ? 'vhd' : 'raw'}`
      return { ...row, name, physicalSize: row.volumeSize, parentName }
    })
  }

  override async write(vdi: Disk, seed: number, offsetMib: number, lengthMib: number): Promise<void> {
    await this.withSr('vdi_activate', vdi, async sr => {
      const device = await openVolumes(sr.vdi(vdi.uuid), { writable: true })
      const image = await VhdLeafWriter.open(sr.context.system.files, device, { group: sr.group.name })
      await image.write(offsetMib * MIB, Buffer.alloc(lengthMib * MIB, seed))
      await image.close()
    })
    await this.withSr('vdi_deactivate', vdi, sr => closeVolumes(sr.vdi(vdi.uuid)))
  }

  override async content(uuid: string): Promise<{ sha256: string; size: number }> {
    const { group } = this
    return usingReader(group.lvm.deps.system.files, async reader => {
      const layers = await readLayers(group, reader, uuid)
      const image = new VhdChain(
        layers.map(({ layer }) => layer),
        layers[0]?.size ?? 0,
      )
      const hash = createHash('sha256')
      for (let at = 0; at < image.virtualSize; at += MIB) {
        hash.update(await image.read(at, Math.min(MIB, image.virtualSize - at)))
      }
      return { sha256: hash.digest('hex'), size: image.virtualSize }
    })
  }

  /** A volume that should hold a disk, and what it holds; with undefined it is removed. */
  override async putFile(name: string, content: string | undefined): Promise<void> {
    const { group } = this
    const volume = `VHD-${name.replace(/\.vhd$/, '')}`
    if (content === undefined) {
      await group.remove(volume)
      return
    }
    await group.create(volume, 8 * MIB)
    const { files } = group.lvm.deps.system
    await files.using(files.openWrite(group.path(volume)), async file => {
      await file.write(Buffer.from(content), 0)
      await file.sync()
    })
    await group.deactivate([volume])
  }

  protected override saveStorage(directory: string): Promise<void> {
    return this.storageHost.save(directory)
  }

  protected override restoreStorage(directory: string): Promise<void> {
    return this.storageHost.restore(directory)
  }

  /** Works with the driver's own objects, as a data path does. */
  async withSr(
    command: string,
    vdi: Disk,
    body: (sr: LVHDSR) => Promise<unknown>,
    moreConfig: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const struct = await this.request(command, vdi, { args: ['true'] }, moreConfig)
    const request = decodeRequest(encodeMethodCall(command, [struct]))
    const saved = { ...process.env }
    Object.assign(process.env, { SM_ROOT: this.paths.root, SM_XAPI_URL: this.url, SM_LOG: 'none' })
    const { context, close } = makeContext(request, this.storageHost.system())
    process.env = saved
    const { type } = this.options
    const sr = new (DRIVERS.get(type) ?? LVHDSR)(context)
    try {
      await body(sr)
    } finally {
      await sr.cleanup()
      await close()
    }
  }
}
