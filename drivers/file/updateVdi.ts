import { hasIllegalXmlChar } from '../../lib/smapi/labels.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import { updateRecord } from '../records.ts'
import type { FileVDI } from './FileVDI.ts'

/** vdi_update: the record's sizes and parent follow the file (spec file-sr 9.5). @throws SmError IllegalXMLChar */
export async function updateVdi(vdi: FileVDI): Promise<void> {
  const { xapi } = vdi.sr.context
  const record = await xapi.vdiGetRecord(await xapi.vdiGetByUuid(vdi.uuid))
  if (hasIllegalXmlChar(record.name_label) || hasIllegalXmlChar(record.name_description)) {
    throw new SmError('IllegalXMLChar', 'name and description must consist of characters that XML 1.0 permits')
  }
  await correctRecord(vdi)
}

/** Writes what differs between the record and the file. */
export async function correctRecord(vdi: FileVDI): Promise<void> {
  const { xapi } = vdi.sr.context
  const ref = await xapi.vdiGetByUuid(vdi.uuid)
  await updateRecord(xapi, ref, await xapi.vdiGetRecord(ref), vdi.scanned())
}
