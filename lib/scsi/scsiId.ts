import path from 'node:path'
import { type ScsiDeps, rootsOf } from './deps.ts'

const SCSI_ID = '/usr/lib/udev/scsi_id'

/** What udev makes names of; it is used in paths, as an argument and in patterns. */
const FORM = /^[A-Za-z0-9][A-Za-z0-9._:+=@-]{0,254}$/

/** Whether a text can be the id of a SCSI disk. */
export function isScsiId(text: string): boolean {
  return FORM.test(text)
}

/**
 * The id by which a disk is known on every host and over every path (spec iscsi-hba 6). Empty where the device has none,
 * does not answer or is not there. A relative path is below `/dev`.
 */
export async function scsiIdOf(deps: ScsiDeps, device: string): Promise<string> {
  const absolute = path.resolve(rootsOf(deps).dev, device)
  const argv = [SCSI_ID, '-g', '--device', absolute] as const
  const { exitCode, stdout } = await deps.system.run(argv, { okExitCodes: [0, 1], changes: false })
  return exitCode === 0 ? stdout.trim().replaceAll(/\s+/g, '_') : ''
}
