import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrno } from '../os/files.ts'
import { SmError } from '../smapi/SmError.ts'
import type { ScsiAddress } from './address.ts'
import { type ScsiDeps, rootsOf, within } from './deps.ts'
import { pathNames } from './links.ts'

const REMOVE_TRIES = 10
/** A scan has just tried to add what can be added. */
const ADD_TRIES = 2
const RETRY_MS = 6000

/** Waits for a device to appear; false where it does not in that time. */
export function waitForDevice(deps: ScsiDeps, device: string, limitMs: number): Promise<boolean> {
  return within(deps, limitMs, () => deps.system.files.exists(device))
}

/** Lets udev finish the names of devices that have come and gone. A host without udev has nothing to wait for. */
export async function settle({ system, log }: ScsiDeps, seconds = 30): Promise<void> {
  const argv = ['udevadm', 'settle', `--timeout=${seconds}`] as const
  const { exitCode, stderr } = await system.run(argv, { changes: false, okExitCodes: [0, 1, 127] })
  if (exitCode !== 0) log.warn(`udev is not settled: ${stderr.trim()}`)
}

/** Has the kernel look for a LUN. Nothing happens where there is none. @throws SmError EIO */
export function addDevice(deps: ScsiDeps, address: ScsiAddress): Promise<void> {
  return tellKernel(deps, ['add-single-device', ADD_TRIES], address)
}

/** Has the kernel forget a LUN. Nothing happens where it knows none. @throws SmError EIO */
export function removeDevice(deps: ScsiDeps, address: ScsiAddress): Promise<void> {
  return tellKernel(deps, ['remove-single-device', REMOVE_TRIES], address)
}

/** Has the kernel forget all paths of a disk (spec iscsi-hba 9 "delete"). Failures are told to the log only. */
export async function removePaths(deps: ScsiDeps, scsiId: string): Promise<void> {
  for (const name of await pathNames(deps, scsiId)) {
    try {
      await deps.system.files.append(path.join(rootsOf(deps).sys, 'block', name, 'device/delete'), '1')
    } catch (error) {
      deps.log.warn(`${name} is not removed: ${String(error)}`)
    }
  }
}

async function tellKernel(
  deps: ScsiDeps,
  [what, tries]: readonly [string, number],
  { host, bus, target, lun }: ScsiAddress,
): Promise<void> {
  const line = `scsi ${what} ${host} ${bus} ${target} ${lun}`
  for (let attempt = 1; ; attempt += 1) {
    try {
      await deps.system.files.append(path.join(rootsOf(deps).proc, 'scsi/scsi'), line)
      return
    } catch (error) {
      if (isErrno(error, 'ENXIO')) return
      if (attempt === tries) throw new SmError('EIO', `${line}: ${String(error)}`, { cause: error })
    }
    await sleep(deps.retryMs ?? RETRY_MS)
  }
}
