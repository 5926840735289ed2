import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files of the lab that run for minutes, the longest first. */
const LONG = [
  'sm-transcripts',
  'lvhd-contract',
  'iscsi-contract',
  'nfs-outage',
  'datapath',
  'iscsi-pool',
  'lvhd-power-cut',
  'iscsi-sr',
  'lvhd-cost',
  'lvm',
  'contract-nfs4',
  'datapath-volumes',
  'power-cut',
]

/**
 * The order of test files where none has run before: as the test runner has it, but in the lab the longest first. By
 * size, which it goes by otherwise, they come last, and one processor waits for the other.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.sort((one, other) => rank(one) - rank(other))
  }
}

/** Files of other projects come before the lab's. */
function rank({ project, moduleId }: TestSpecification): number {
  if (project.name !== 'lab') return -1
  const place = LONG.findIndex(name => moduleId.endsWith(`/${name}.test.ts`))
  return place === -1 ? LONG.length : place
}
