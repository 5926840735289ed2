import { SECTOR_SIZE } from '../lib/vhd/layout.ts'
import { bitRuns } from '../lib/vhd/SectorBitmap.ts'
import { usingVhd } from '../lib/vhd/VhdImage.ts'
import { readLayer } from '../lib/vhd/VhdLayer.ts'
import type { Tool } from './Command.ts'

/** How much of a disk is allocated and how much of that is present (spec vhd 7.7 `-s`). */
export async function statistics({ system }: Tool, name: string): Promise<string> {
  return usingVhd(system.files, name, {}, async image => {
    const layer = await readLayer(image)
    const counts = { allocated: 0, full: 0, sectors: 0 }
    for (const { block } of layer.table.allocated()) {
      const present = countBits(await layer.bitmap(block), layer.sectorsPerBlock)
      counts.allocated += 1
      counts.full += present === layer.sectorsPerBlock ? 1 : 0
      counts.sectors += present
    }
    return [
      `blocks: ${layer.table.count}, allocated: ${counts.allocated}, full: ${counts.full}\n`,
      `sectors present: ${counts.sectors} (${counts.sectors * SECTOR_SIZE} bytes)\n`,
    ].join('')
  })
}

function countBits(bitmap: Buffer, count: number): number {
  let found = 0
  for (const run of bitRuns(bitmap, 0, count)) if (run.present) found += run.end - run.first
  return found
}
