import path from 'node:path'
import type { SmXapi } from '../lib/xapi/SmXapi.ts'
import type { SR } from './SR.ts'
import type { VdiAttachment } from './VDI.ts'

interface AttachableVdi {
  readonly uuid: string
  readonly sr: SR
}

/** What of a disk and its SR decides whether reads may be cached. */
export interface ReadCaching {
  /** The SR is a file system of its own, or a share. */
  readonly isSupported: boolean
  /** A read-only disk without a parent shares its image with nobody. */
  readonly isLoneReadOnly: boolean
}

interface ConfiguredSr {
  readonly context: { readonly xapi: Pick<SmXapi, 'poolRestrictions' | 'srGetOtherConfig'> }
  srRef(): Promise<string>
}

/** Why the host may not cache reads of a disk of this SR; empty where it may (spec datapath 2). */
export async function directReason(sr: ConfiguredSr, { isSupported, isLoneReadOnly }: ReadCaching): Promise<string> {
  const { xapi } = sr.context
  if ((await xapi.poolRestrictions())['restrict_read_caching'] === 'true') return 'LICENSE_RESTRICTION'
  if (!isSupported) return 'SR_NOT_SUPPORTED'
  if (isLoneReadOnly) return 'RO_WITH_NO_PARENT'
  return (await xapi.srGetOtherConfig(await sr.srRef()))['o_direct'] === 'true' ? 'SR_OVERRIDE' : ''
}

/**
 * Where a disk will be once it is activated, and what its guest is told of it (spec smapi 7.13). `directReason`: why the
 * host may not cache reads of it, empty where it may.
 */
export function attachmentOf(vdi: AttachableVdi, directReason: string): VdiAttachment {
  const socket = path.join(vdi.sr.context.paths.nbdLinks, vdi.sr.uuid, vdi.uuid)
  return {
    params_nbd: `nbd:unix:${socket}:exportname=${vdi.uuid}`,
    o_direct: directReason !== '',
    o_direct_reason: directReason,
    xenstore_data: {
      'vdi-uuid': vdi.uuid,
      'scsi/0x12/0x80': page80(vdi.uuid),
      'scsi/0x12/0x83': page83(vdi.uuid),
    },
  }
}

/** SCSI vital product data page 0x80 (unit serial number) of the disk, base64. */
function page80(uuid: string): string {
  return Buffer.concat([Buffer.from([0x00, 0x80, 0x00, 0x12]), Buffer.from(`${uuid.slice(0, 16)}  `)]).toString(
    'base64',
  )
}

/** SCSI vital product data page 0x83 (device identification) of the disk, base64. */
function page83(uuid: string): string {
  const header = Buffer.from([0x00, 0x83, 0x00, 0x31, 0x02, 0x01, 0x00, 0x2d])
  return Buffer.concat([header, Buffer.from(`XENSRC  ${uuid} `)]).toString('base64')
}
