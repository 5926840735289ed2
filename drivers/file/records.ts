import { SmError } from '../../lib/smapi/SmError.ts'
import { inspectVhd, type VhdIdentity } from '../../lib/vhd/inspect.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { findVdi, forgetVdi, introduce, mergeSmConfig } from '../records.ts'
import type { FileFamilySR } from './FileFamilySR.ts'
import { uuidOfVhd, vhdName } from './layout.ts'

/** The record of a uuid, undefined where there is none. */
export function refOf(sr: FileFamilySR, uuid: string): Promise<Ref | undefined> {
  return findVdi(sr.context.xapi, uuid)
}

/** Forgets the record of a uuid if there is one. */
export function forgetUuid(sr: FileFamilySR, uuid: string): Promise<void> {
  return forgetVdi(sr.context.xapi, uuid)
}

/** Parent and file size of a disk's record follow its image. */
export async function correctLeaf(sr: FileFamilySR, uuid: string): Promise<void> {
  const { xapi } = sr.context
  const ref = await refOf(sr, uuid)
  if (ref === undefined) return
  const [size, record] = [await fileSize(sr, uuid), await xapi.vdiGetRecord(ref)]
  if (record.physical_utilisation !== size) await xapi.vdiSetPhysicalUtilisation(ref, size)
  await correctParent(sr, uuid)
}

/** The parent in a disk's record follows its image. */
export async function correctParent(sr: FileFamilySR, uuid: string): Promise<void> {
  const ref = await refOf(sr, uuid)
  if (ref === undefined) return
  await mergeSmConfig(sr.context.xapi, ref, { 'vhd-parent': parentUuidOf(await inspectDisk(sr, uuid)) })
}

/** A base copy has a record that is unmanaged and read-only; one that is new is introduced. */
export async function correctBase(sr: FileFamilySR, uuid: string): Promise<void> {
  const { xapi } = sr.context
  const ref = await refOf(sr, uuid)
  if (ref === undefined) {
    await introduceBase(sr, uuid)
    return
  }
  const record = await xapi.vdiGetRecord(ref)
  if (record.managed) await xapi.vdiSetManaged(ref, false)
  if (!record.read_only) await xapi.vdiSetReadOnly(ref, true)
}

async function introduceBase(sr: FileFamilySR, uuid: string): Promise<void> {
  const image = await inspectDisk(sr, uuid)
  await introduce(sr.context.xapi, await sr.srRef(), {
    uuid,
    label: 'base copy',
    type: 'user',
    virtualSize: image.virtualSize,
    physicalUtilisation: await fileSize(sr, uuid),
    readOnly: true,
    managed: false,
    cbtEnabled: false,
    smConfig: { 'vhd-parent': parentUuidOf(image) },
  })
}

export function parentUuidOf(image: VhdIdentity): string | undefined {
  return image.parentName === undefined ? undefined : uuidOfVhd(image.parentName)
}

export function inspectDisk(sr: FileFamilySR, uuid: string): Promise<VhdIdentity> {
  return inspectVhd(sr.context.system.files, sr.file(vhdName(uuid)), { backupFooter: true })
}

export async function fileSize(sr: FileFamilySR, uuid: string): Promise<number> {
  return (await sr.context.system.files.stat(sr.file(vhdName(uuid)))).size
}

/**
 * The footer uuid of the VHD under a name; `none` where there is no such name, `unreadable` where what is there is no
 * VHD or cannot be read now.
 */
export async function footerUuid(sr: FileFamilySR, name: string): Promise<string> {
  const { files } = sr.context.system
  if (!(await files.exists(sr.file(name)))) return 'none'
  try {
    return (await inspectVhd(files, sr.file(name), { backupFooter: true })).uuid
  } catch (error) {
    sr.context.log.warn(`${name} cannot be read: ${String(error)}`)
    return 'unreadable'
  }
}

/** @throws SmError VDIUnavailable */
export function undecided(uuid: string): SmError {
  return new SmError(
    'VDIUnavailable',
    `the image of VDI ${uuid} cannot be read, so an interrupted operation cannot be settled`,
  )
}
