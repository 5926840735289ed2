import { introduce, mergeSmConfig, type ScannedVdi } from '../../records.ts'
import type { FileVDI } from '../FileVDI.ts'

/** What a snapshot or clone made. */
export interface SnapshotResult {
  /** The new base copy; undefined where none was needed. */
  readonly base: string | undefined
  /** The new leaf. */
  readonly destination?: string
  /** Parent of the disk and of the new leaf afterwards. */
  readonly parent: string | undefined
}

/** Introduces what a snapshot made and notes the disk's new parent (spec file-sr 11.2 step 14). */
export async function introduceResult(vdi: FileVDI, ref: string, result: SnapshotResult): Promise<void> {
  const { xapi } = vdi.sr.context
  const srRef = await vdi.sr.srRef()
  const source = await xapi.vdiGetSmConfig(ref)
  if (result.destination !== undefined) {
    await introduce(xapi, srRef, {
      ...likeSource(vdi, result.destination),
      smConfig: { 'vhd-parent': result.parent, key_hash: source['key_hash'] },
    })
  }
  if (result.base !== undefined) {
    await introduceBase(vdi, srRef, result.base)
    await mergeSmConfig(xapi, ref, { 'vhd-parent': result.base })
  }
}

async function introduceBase(vdi: FileVDI, srRef: string, base: string): Promise<void> {
  await introduce(vdi.sr.context.xapi, srRef, {
    ...likeSource(vdi, base),
    label: 'base copy',
    readOnly: true,
    managed: false,
    smConfig: { 'vhd-parent': vdi.parent },
  })
}

function likeSource(vdi: FileVDI, uuid: string): ScannedVdi {
  return {
    uuid,
    type: 'user',
    virtualSize: vdi.virtualSize,
    physicalUtilisation: vdi.physicalUtilisation,
    readOnly: false,
    managed: true,
    cbtEnabled: false,
    smConfig: {},
  }
}
