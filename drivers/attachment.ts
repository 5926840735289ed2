import path from 'node:path'
import { SmError } from '../lib/smapi/SmError.ts'
import type { SR } from './SR.ts'
import type { VdiAttachment } from './VDI.ts'

interface AttachableVdi {
  readonly uuid: string
  readonly sr: SR
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

/**
 * Activation needs a process that serves the disk, and this version brings none.
 * @throws SmError VDIUnavailable always, before anything is changed
 */
export function refuseActivation(vdi: AttachableVdi): Promise<never> {
  return Promise.reject(
    new SmError(
      'VDIUnavailable',
      `this version has no data path to activate VDI ${vdi.uuid}: tapdisk support is not built in yet`,
    ),
  )
}

/** Deactivation has nothing to do, unless another program has the disk active: that is not ours to end. @throws SmError VDIUnavailable */
export async function requireNoTapdisk(vdi: AttachableVdi): Promise<void> {
  const link = path.join(vdi.sr.context.paths.nbdLinks, vdi.sr.uuid, vdi.uuid)
  if (await vdi.sr.context.system.files.exists(link)) {
    throw new SmError('VDIUnavailable', `VDI ${vdi.uuid} is served by a tapdisk, which this version cannot stop`)
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
