import path from 'node:path'
import type { Connection } from '../../cli/connection.ts'
import { allSrs } from '../../cli/records.ts'
import { groupOf } from '../../cli/tree/volumeImages.ts'
import { closeVolumes, openVolumes } from '../../drivers/lvhd/activation.ts'
import { makeContext } from '../../drivers/makeContext.ts'
import { LVHDSR } from '../../drivers/LVHDSR.ts'
import { kindOf } from '../../lib/lvhd/names.ts'
import { decodeRequest } from '../../lib/smapi/Request.ts'
import { encodeMethodCall } from '../../lib/smapi/xmlrpc.ts'
import type { WritableDiskImage } from '../../lib/vhd/DiskImage.ts'
import { openImage } from '../../lib/vhd/openImage.ts'
import { VhdLeafWriter } from '../../lib/vhd/VhdLeafWriter.ts'

/** What in the demo depends on the type of the SR. */
export interface DemoStorage {
  readonly type: string
  /** `device_config` of the SR. */
  deviceConfig(root: string): Readonly<Record<string, string>>
  /** Works with a disk as its guest would. */
  useDisk<T>(connection: Connection, sr: string, vdi: string, body: (disk: WritableDiskImage) => Promise<T>): Promise<T>
  /** Names of journals of reverts in progress. */
  journals(connection: Connection, sr: string): Promise<string[]>
  /** Names of anything that should not outlive an operation. */
  leftovers(connection: Connection, sr: string): Promise<string[]>
  readonly killPoints: { readonly beforeCommit: string; readonly afterCommit: string }
}

export const fileStorage: DemoStorage = {
  type: 'file',
  deviceConfig: root => ({ location: path.join(root, 'disks') }),
  useDisk: async ({ environment: { system, paths } }, sr, vdi, body) => {
    const directory = paths.srMount(sr)
    const disk = await openImage(system.files, path.join(directory, `${vdi}.vhd`), { boundary: directory, write: true })
    try {
      return await body(disk)
    } finally {
      await disk.close()
    }
  },
  journals: async (connection, sr) => (await filesOf(connection, sr)).filter(name => name.startsWith('revert_')),
  leftovers: async (connection, sr) =>
    (await filesOf(connection, sr)).filter(name => /^(?:revert|snapshot)_|\.(?:new|revert)$/.test(name)),
  killPoints: { beforeCommit: 'FileSR_revert_before_commit', afterCommit: 'FileSR_revert_after_commit' },
}

/** On a volume group that is made on `device`; whatever is there is lost. */
export function lvhdStorage(device: string): DemoStorage {
  return {
    type: 'lvhd',
    deviceConfig: () => ({ device }),
    useDisk: async (connection, sr, vdi, body) => {
      await withDriver(connection, { sr, vdi, device }, async driver => {
        await openVolumes(driver.vdi(vdi), { writable: true })
      })
      try {
        const { files } = connection.environment.system
        const group = `VG_XenStorage-${sr}`
        const disk = await VhdLeafWriter.open(files, `/dev/${group}/VHD-${vdi}`, { group })
        try {
          return await body(disk)
        } finally {
          await disk.close()
        }
      } finally {
        await withDriver(connection, { sr, vdi, device }, driver => closeVolumes(driver.vdi(vdi)))
      }
    },
    journals: async (connection, sr) => (await volumesOf(connection, sr)).filter(name => name.startsWith('clone_')),
    leftovers: async (connection, sr) =>
      (await volumesOf(connection, sr)).filter(name => ['journal', 'other'].includes(kindOf({ name, tags: [] }).kind)),
    killPoints: { beforeCommit: 'LVM_revert_before_commit', afterCommit: 'LVM_revert_after_commit' },
  }
}

async function filesOf({ environment: { system, paths } }: Connection, sr: string): Promise<string[]> {
  return system.files.list(paths.srMount(sr))
}

async function volumesOf(connection: Connection, uuid: string): Promise<string[]> {
  const sr = (await allSrs(connection)).find(found => found.uuid === uuid)
  return sr === undefined ? [] : [...(await groupOf(connection, sr).report()).volumes.keys()]
}

/** The driver's own objects, as a data path has them. */
async function withDriver(
  connection: Connection,
  { sr, vdi, device }: { sr: string; vdi: string; device: string },
  body: (driver: LVHDSR) => Promise<void>,
): Promise<void> {
  const { environment, session, xapi } = connection
  const struct = {
    command: 'vdi_activate',
    args: ['true'],
    device_config: { device, SRmaster: 'true' },
    session_ref: session,
    sr_uuid: sr,
    vdi_uuid: vdi,
  }
  const request = decodeRequest(encodeMethodCall('vdi_activate', [struct]))
  const { context, close } = makeContext(request, environment.system)
  const driver = new LVHDSR({ ...context, paths: environment.paths, xapi })
  try {
    await body(driver)
    await driver.cleanup()
  } finally {
    await close()
  }
}
