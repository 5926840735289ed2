import { hasIllegalXmlChar } from '../../lib/smapi/labels.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { LvhdVDI } from './LvhdVDI.ts'

/**
 * vdi_update: the metadata entry of a disk follows its record (spec lvhd 14). A slave changes nothing; the next attach on
 * the master does.
 * @throws SmError IllegalXMLChar, MetadataError
 */
export async function updateVdi(vdi: LvhdVDI): Promise<void> {
  const { sr } = vdi
  const { xapi, request } = sr.context
  const record = await xapi.vdiGetRecord(await xapi.vdiGetByUuid(vdi.uuid))
  if (hasIllegalXmlChar(record.name_label) || hasIllegalXmlChar(record.name_description)) {
    throw new SmError('IllegalXMLChar', 'name and description must consist of characters that XML 1.0 permits')
  }
  if (!request.isMaster || (await sr.isLegacy())) return
  await sr.metadata.update(vdi.uuid, {
    nameLabel: record.name_label,
    nameDescription: record.name_description,
    snapshotTime: record.snapshot_time,
    metadataOfPool: record.metadata_of_pool,
  })
}
