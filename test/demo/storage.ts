import path from 'node:path'
import type { Connection } from '../../cli/connection.ts'
import { allSrs } from '../../cli/records.ts'
import { groupOf } from '../../cli/tree/volumeImages.ts'
import { kindOf } from '../../lib/lvhd/names.ts'

/** What in the demo depends on the type of the SR. */
export interface DemoStorage {
  readonly type: string
  /** `device_config` of the SR. */
  deviceConfig(root: string): Readonly<Record<string, string>>
  /** Names of journals of reverts in progress. */
  journals(connection: Connection, sr: string): Promise<string[]>
  /** Names of anything that should not outlive an operation. */
  leftovers(connection: Connection, sr: string): Promise<string[]>
  readonly killPoints: { readonly beforeCommit: string; readonly afterCommit: string }
}

export const fileStorage: DemoStorage = {
  type: 'file',
  deviceConfig: root => ({ location: path.join(root, 'disks') }),
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
