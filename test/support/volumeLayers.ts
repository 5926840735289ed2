import { isUnreadable, scanVhds } from '../../lib/lvhd/scan.ts'
import { VolumeStorage } from '../../lib/lvhd/VolumeStorage.ts'
import type { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import type { VolumeReader } from '../../lib/lvm/VolumeReader.ts'
import { RawLayer } from '../../lib/vhd/RawLayer.ts'
import { readVhd } from '../../lib/vhd/VhdImage.ts'
import { readLayer, type Layer } from '../../lib/vhd/VhdLayer.ts'

/** The images of a disk, leaf first, read where they lie: none of them is activated. */
export async function readLayers(
  group: VolumeGroup,
  reader: VolumeReader,
  uuid: string,
): Promise<{ layer: Layer; size: number }[]> {
  const rows = await scanVhds(group, { uuids: [uuid] })
  const layers: { layer: Layer; size: number }[] = []
  for (let next: string | undefined = uuid; next !== undefined;) {
    const row = rows.get(next)
    const raw = await group.volume(`LV-${next}`)
    const mapped = await group.mapped(row === undefined && raw !== undefined ? `LV-${next}` : `VHD-${next}`)
    const storage = await VolumeStorage.open(reader, mapped)
    if (row === undefined || isUnreadable(row)) {
      if (raw === undefined) throw row?.error ?? new Error(`${next} has no volume`)
      layers.push({ layer: new RawLayer(storage, mapped.size), size: mapped.size })
      return layers
    }
    const image = await readVhd(storage, { backupFooter: true })
    layers.push({ layer: await readLayer(image), size: image.virtualSize })
    next = row.parent?.uuid
  }
  return layers
}
