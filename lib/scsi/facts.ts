import path from 'node:path'
import { CommandError } from '../os/run.ts'
import { SmError } from '../smapi/SmError.ts'
import { firstLine } from './adapters.ts'
import { type ScsiDeps, rootsOf } from './deps.ts'

const SECTOR = 512

/** The unit's serial number, without blanks. @throws SmError EIO where the disk does not answer */
export async function serialOf(deps: ScsiDeps, device: string): Promise<string> {
  const said = await inquiry(deps, '-s', device)
  return (/'([^']*)'/.exec(said)?.[1] ?? '').replaceAll(' ', '')
}

/** Who made the disk. @throws SmError EIO where the disk does not answer */
export async function vendorOf(deps: ScsiDeps, device: string): Promise<string> {
  return (/^Vendor:\s*(.*)$/m.exec(await inquiry(deps, '-M', device))?.[1] ?? '').trim()
}

/** Bytes of a disk as the kernel has them, by its kernel name; 0 where there is no such disk. */
export async function sizeOf(deps: ScsiDeps, name: string): Promise<number> {
  return Number(await firstLine(deps, path.join(rootsOf(deps).sys, 'block', name, 'size'))) * SECTOR
}

async function inquiry({ system }: ScsiDeps, option: string, device: string): Promise<string> {
  try {
    return (await system.run(['sginfo', option, device], { changes: false })).stdout
  } catch (error) {
    throw error instanceof CommandError ? new SmError('EIO', error.message, { cause: error }) : error
  }
}
