import type { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import { SR_REF, type Box } from './sm-transcripts-box.ts'
import { readRefs } from './sm-transcripts-database.ts'
import type { Names } from './sm-transcripts-names.ts'
import { volumeGroupOf } from './sm-transcripts-volumes.ts'

/** A volume group and the database that knows of it, by recorded names. */
interface Place {
  readonly group: VolumeGroup
  readonly box: Box
  /** Our name of a volume. */
  readonly volume: (recorded: string) => string
  /** Our reference of a disk. */
  readonly ref: (recordedUuid: string) => Promise<string>
}

const MIB = 1024 * 1024
const DISK_A = '0a000001-0000-4000-8000-000000000001'
const STRAY = 'LV-1f3d0000-0000-4000-8000-000000000f01'
const FILLER = 'filler'

/** What somebody did before a step, by scenario and number of the step (its label, or its state, tells). */
const deeds: Readonly<Record<string, (place: Place) => Promise<unknown>>> = {
  'lvm-thick-lifecycle 30': async ({ box, ref }) => {
    await box.call('VDI.set_name_label', await ref(DISK_A), 'renamed A')
    await box.call('VDI.set_name_description', await ref(DISK_A), 'with <xml> & "quotes"')
  },
  'lvm-thick-lifecycle 31': ({ box }) => box.call('SR.set_name_label', SR_REF, 'renamed SR'),
  'lvm-thick-lifecycle 34': async ({ box, ref }) =>
    box.call('VDI.db_forget', await ref('0a00000c-0000-4000-8000-00000000000c')),
  'lvm-thick-lifecycle 35': ({ group }) => createInactive(group, STRAY, 8 * MIB),
  'lvm-thick-lifecycle 36': ({ group }) => group.remove(STRAY),
  'lvm-single 22': ({ group, volume }) =>
    group.rename(volume('VHD-0a000009-0000-4000-8000-000000000009'), 'VHD-1f3d0000-0000-4000-8000-000000000f09'),
  'lvm-errors 26': ({ group }) => group.remove('VHD-1f3d0000-0000-4000-8000-000000000e01'),
  'lvm-errors 31': async ({ group }) => createInactive(group, FILLER, (await group.report()).free - 8 * MIB),
  'lvm-errors 35': ({ group }) => group.remove(FILLER),
}

/** Does what was done behind the plugin's back before this step, if anything. */
export async function prepareVolumeStep(box: Box, names: Names, step: string): Promise<void> {
  await deeds[step]?.({
    box,
    group: volumeGroupOf(box),
    volume: recorded => recorded.replace(/[0-9a-f-]{36}$/, uuid => names.ourUuid(uuid)),
    ref: async uuid => (await readRefs(box)).get(names.ourUuid(uuid)) ?? '',
  })
}

async function createInactive(group: VolumeGroup, name: string, size: number): Promise<void> {
  await group.create(name, size)
  await group.deactivate([name])
}
