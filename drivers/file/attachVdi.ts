import path from 'node:path'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { VdiAttachment } from '../VDI.ts'
import type { FileVDI } from './FileVDI.ts'

/**
 * vdi_attach: where the disk will be once it is activated. Nothing is opened yet (spec smapi 7.13, observed-behaviour 4.2).
 * @throws SmError VDIUnavailable
 */
export async function attachedDevice(vdi: FileVDI): Promise<VdiAttachment> {
  const { context } = vdi.sr
  const socket = path.join(context.paths.nbdLinks, vdi.sr.uuid, vdi.uuid)
  const reason = await directReason(vdi)
  return {
    params_nbd: `nbd:unix:${socket}:exportname=${vdi.uuid}`,
    o_direct: reason !== '',
    o_direct_reason: reason,
    xenstore_data: {
      'vdi-uuid': vdi.uuid,
      'scsi/0x12/0x80': page80(vdi.uuid),
      'scsi/0x12/0x83': page83(vdi.uuid),
    },
  }
}

/** Why the host may not cache reads of this disk; empty where it may (spec datapath 1). */
async function directReason(vdi: FileVDI): Promise<string> {
  const { context } = vdi.sr
  const srConfig = await context.xapi.srGetOtherConfig(await vdi.sr.srRef())
  const isOverridden = srConfig['o_direct'] === 'true'
  if (!vdi.sr.hasOwnFileSystem) return isOverridden ? 'SR_OVERRIDE' : 'SR_NOT_SUPPORTED'
  const isReadOnly = context.request.args[0] === 'false'
  if (isReadOnly && vdi.parent === undefined) return 'RO_WITH_NO_PARENT'
  return isOverridden ? 'SR_OVERRIDE' : ''
}

/**
 * Activation needs a process that serves the disk, and this version brings none.
 * @throws SmError VDIUnavailable always, before anything is changed
 */
export function refuseActivation(vdi: FileVDI): Promise<never> {
  return Promise.reject(
    new SmError(
      'VDIUnavailable',
      `this version has no data path to activate VDI ${vdi.uuid}: tapdisk support is not built in yet`,
    ),
  )
}

/** Deactivation has nothing to do, unless another program has the disk active: that is not ours to end. @throws SmError VDIUnavailable */
export async function requireNoTapdisk(vdi: FileVDI): Promise<void> {
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
