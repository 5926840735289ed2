import { VolumeJournals } from '../../../lib/journal/VolumeJournals.ts'
import { LockManager } from '../../../lib/lock/Lock.ts'
import { MetadataVolume } from '../../../lib/lvhd/MetadataVolume.ts'
import { Activator } from '../../../lib/lvm/Activator.ts'
import { Lvm, type LvmDeps } from '../../../lib/lvm/Lvm.ts'
import { groupName } from '../../../lib/lvm/names.ts'
import { RefCounter } from '../../../lib/lvm/RefCounter.ts'
import { VolumeGroup } from '../../../lib/lvm/VolumeGroup.ts'
import { Paths } from '../../../lib/os/paths.ts'
import type { System } from '../../../lib/os/system.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { FakeLvm } from '../../support/FakeLvm.ts'
import { scratch } from '../vhd/support.ts'

export const SR = '5e000000-0000-4000-8000-000000000001'
export const MIB = 1024 * 1024

/** A volume group on files, of so many extents of 4 MiB. */
export function fakeGroup(extents = 100): FakeLvm {
  return new FakeLvm(scratch(), groupName(SR), extents)
}

/** What one call on this group works with. `killBefore`: the process dies before that effect. */
export function oneCall(
  lvm: FakeLvm,
  options: { readonly killBefore?: number; readonly effects?: string[]; readonly system?: System } = {},
) {
  const warnings: string[] = []
  const system = options.system ?? lvm.system(options.killBefore, options.effects)
  const paths = new Paths(lvm.root)
  const log = { debug: ignore, info: ignore, warn: (text: string) => warnings.push(text), error: ignore, flush }
  const locks = new LockManager(paths, system.effects)
  const deps: LvmDeps = { system, paths, locks, log }
  const group = new VolumeGroup(new Lvm(deps, { master: true }), groupName(SR))
  const references = new RefCounter(deps, SR)
  return {
    system,
    paths,
    locks,
    warnings,
    group,
    references,
    activator: new Activator(group, references),
    journals: new VolumeJournals(group),
    metadata: new MetadataVolume(group),
    vhd: new EmbeddedVhdUtil(system),
  }
}

function ignore(): void {
  // Nobody reads it.
}

function flush(): Promise<void> {
  return Promise.resolve()
}
