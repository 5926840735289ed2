import { inflate } from '../../../lib/lvhd/inflate.ts'
import { fullVhdVolumeSize } from '../../../lib/lvhd/sizes.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { findVdi } from '../../records.ts'
import { findVolume, readDisks } from '../disks.ts'
import type { LvhdFamilySR } from '../LvhdFamilySR.ts'
import { inflateIfRoom } from './inflateIfRoom.ts'

/**
 * Gives a disk that bears its name again the size that it had before a snapshot cut it: all of it where a guest writes to
 * it, which a smaller volume would stop, else in a thick SR as far as there is room. To be done before its `clone`
 * journal goes.
 * @throws SmError VDIUnavailable, LvmError, VhdError where a disk that is written to stays smaller
 */
export async function restoreSize(sr: LvhdFamilySR, uuid: string): Promise<void> {
  const { xapi } = sr.context
  const ref = await findVdi(xapi, uuid)
  // A database that was lost may not know the disk yet.
  const record = ref === undefined ? undefined : await xapi.vdiGetRecord(ref)
  if (record !== undefined && isWritten(record.sm_config)) await inflateWritten(sr, uuid)
  else if ((await sr.allocation()) === 'thick' && record?.is_a_snapshot !== true) await inflateQuietly(sr, uuid)
}

function isWritten(smConfig: Readonly<Record<string, string>>): boolean {
  return Object.entries(smConfig).some(([key, mode]) => key.startsWith('host_') && mode === 'RW')
}

async function inflateWritten(sr: LvhdFamilySR, uuid: string): Promise<void> {
  const found = await findVolume(sr, uuid)
  if (found?.type === 'aio') return
  const image = (await readDisks(sr, [uuid])).disks.get(uuid)
  if (found === undefined || image === undefined) throw new SmError('VDIUnavailable', `VDI ${uuid} cannot be read`)
  await sr.activator.hold([{ uuid, volume: found.volume.name }])
  await inflate(await sr.tools(), uuid, fullVhdVolumeSize(image.virtualSize))
}

async function inflateQuietly(sr: LvhdFamilySR, uuid: string): Promise<void> {
  try {
    await inflateIfRoom(sr, uuid)
  } catch (error) {
    sr.context.log.warn(`the volume of VDI ${uuid} stays as small as it is: ${String(error)}`)
  }
}
