import { extSrInfo, fileSrInfo, nfsSrInfo } from '../../drivers/file/info.ts'
import { lvhdOverHbaInfo } from '../../drivers/hba/info.ts'
import { iscsiSrInfo } from '../../drivers/iscsi/info.ts'
import { lvhdSrInfo } from '../../drivers/lvhd/info.ts'
import type { DriverInfo } from '../../lib/smapi/DriverInfo.ts'
import { isObject } from '../../lib/xapi/protocol.ts'
import { volumeDeviations } from './sm-transcripts-deviations-lvm.ts'
import type { Changes, Fields } from './sm-transcripts-format.ts'
import type { Outcome } from './sm-transcripts-outcome.ts'

/** A step where we do something else on purpose. */
export interface Deviation {
  /** Words of the row in `docs/differences.md` that says why. */
  readonly documented: string
  /** What we do, made from what the reference did and from the files or volumes that were in our SR before. */
  readonly expected: Expectation
  /** The name of a disk that only we make; it is deleted again after the step. */
  readonly newDisk?: string
}

/** All that is listed, by step. */
export function allDeviations(): readonly (readonly [string, Deviation])[] {
  return Object.entries(steps)
}

type Files = Outcome['files']
type Expectation = (recorded: Outcome, filesBefore: Files, groupBefore?: Outcome['group']) => Outcome

/** What we do otherwise in this step (scenario and number). */
export function deviationOf(step: string): Deviation | undefined {
  return steps[step]
}

const SR_3 = 'f11e0000-0000-4000-8000-000000000003'
const OUR_SNAPSHOT = '0a0000ff-0000-4000-8000-0000000000ff'
const NO_CHANGES: Changes = { SR: {}, VDI: {}, message: {} }

/** Nothing is changed but what is said here. */
function refused(code: number, detail?: string): Expectation {
  return recorded => ({ ...recorded, fault: [code, detail], response: undefined, changes: NO_CHANGES })
}

const REVERTED = '`vdi_revert` is an unknown command'
const UNATTACHED = '`vdi_create` on an SR that is not attached'
const PARENT_DELETED = '`vdi_delete` of a disk with children deletes it'
const UNTRACKED = 'changed block tracking *(file-misc 20-37)*'
const BASE = '0a000009-0000-4000-8000-000000000009'

const steps: Readonly<Record<string, Deviation>> = {
  // An open tapdisk has cut off the end footer of the disk, so the reference finds it 512 bytes shorter.
  'file-data 25': {
    documented: 'the end footer stays while our server has it open',
    expected: recorded => ({
      ...editVdis(recorded, fields => ({ ...fields, physical_utilisation: '6308352' })),
      files: { ...recorded.files, ...withFooter(recorded.files, '0a000001-0000-4000-8000-000000000001.vhd') },
    }),
  },
  'file-errors 1': {
    documented: 'also `VDI_REVERT` and `supported_image_formats`',
    expected: recorded => ({ ...recorded, response: ourDriverInfo(recorded.response, fileSrInfo) }),
  },
  'ext-basic 1': driverInfo(extSrInfo),
  'nfs3-basic 1': driverInfo(nfsSrInfo),
  'nfs4-basic 1': driverInfo(nfsSrInfo),
  'lvm-thick-lifecycle 1': driverInfo(lvhdSrInfo),
  'hba-basic 1': lunDriverInfo(lvhdOverHbaInfo),
  'iscsi-basic 1': lunDriverInfo(iscsiSrInfo),
  ...volumeDeviations,
  'nfs3-basic 25': untoldHardLinks(),
  'nfs4-basic 25': untoldHardLinks(),
  'file-errors 6': {
    documented: UNATTACHED,
    expected: recorded => ({
      ...refused(47, `[Errno 2] No such file or directory: '/run/sr-mount/${SR_3}'`)(recorded, undefined),
      files: {},
    }),
  },
  'file-errors 7': { documented: UNATTACHED, expected: recorded => ({ ...recorded, changes: NO_CHANGES }) },
  'file-errors 9': {
    documented: 'the detail of 447',
    expected: refused(447, 'name and description must consist of characters that XML 1.0 permits'),
  },
  // Both disks are empty children of one parent: only their records are brought up to date.
  'file-errors 26': {
    documented: REVERTED,
    expected: recorded => ({
      ...succeeded(recorded),
      changes: { ...NO_CHANGES, VDI: { ...sizeNoted(7), ...sizeNoted(8) } },
    }),
  },
  'file-errors 27': { documented: '`sr_create` without its argument', expected: refused(1, 'size: missing') },
  'file-errors 28': {
    documented: '`vdi_snapshot` without `driver_params`',
    newDisk: OUR_SNAPSHOT,
    expected: recorded => ({
      ...succeeded(recorded),
      response: { location: OUR_SNAPSHOT, uuid: OUR_SNAPSHOT },
      changes: {
        ...NO_CHANGES,
        SR: { [`~${SR_3}`]: { virtual_allocation: '37748736' } },
        VDI: { [`+${OUR_SNAPSHOT}`]: ourSnapshot() },
      },
    }),
  },
  'file-errors 33': {
    documented: REVERTED,
    expected: recorded => {
      const noted = Object.keys({ ...sizeNoted(7), ...sizeNoted(8) })
      const others = Object.entries(recorded.changes['VDI'] ?? {}).filter(([key]) => !noted.includes(key))
      return { ...recorded, changes: { ...recorded.changes, VDI: Object.fromEntries(others) } }
    },
  },
  'file-errors 37': {
    documented: PARENT_DELETED,
    expected: (recorded, files) => ({ ...refused(24, `other disks are built on VDI ${BASE}`)(recorded, files), files }),
  },
  'file-errors 38': {
    documented: PARENT_DELETED,
    expected: (recorded, files) => ({ ...recorded, changes: NO_CHANGES, files }),
  },
  'file-interrupted 9': {
    documented: 'a left-over `*.vhd.new` stays for ever',
    expected: (recorded, files) => ({ ...recorded, files }),
  },
  'file-misc 19': {
    documented: "`vhd-util`'s command line",
    expected: recorded => ({
      ...recorded,
      fault: [
        202,
        '/run/sr-mount/f11e0000-0000-4000-8000-000000000005/0a000005-0000-4000-8000-000000000005.vhd has no parent to change',
      ],
    }),
  },
  ...untrackedSteps(),
}

/** What becomes of the recorded steps with change logs, which we do not keep. */
function untrackedSteps(): Record<string, Deviation> {
  const refusal = refused(38)
  const logged = [22, 27, 34, 37].map(n => [n, withoutLogs] as const)
  const answered = [21, 29, 32, 33, 36].map(n => [n, refusal] as const)
  const others: readonly (readonly [number, Expectation])[] = [
    [20, (recorded, files) => withoutLogs(refusal(recorded, files), files)],
    [23, withoutTracking],
    [25, withoutLogs],
    [28, withoutTracking],
    [30, (recorded, files) => ({ ...refusal(recorded, files), files })],
    [31, (recorded, files) => ({ ...sizesOfAllThree(recorded), files })],
    [35, (recorded, files) => withoutLogs(refusal(recorded, files), files)],
  ]
  const all = [...logged, ...answered, ...others]
  return Object.fromEntries(all.map(([n, expected]) => [`file-misc ${n}`, { documented: UNTRACKED, expected }]))
}

function withoutLogs(recorded: Outcome, _files: Files): Outcome {
  if (recorded.files === undefined) return recorded
  const files = Object.entries(recorded.files).filter(([name]) => !name.endsWith('.cbtlog'))
  return { ...recorded, files: Object.fromEntries(files) }
}

/** A snapshot of a disk whose changes nobody tracks. */
function withoutTracking(recorded: Outcome, files: Files): Outcome {
  const untracked = editVdis(recorded, fields => ('cbt_enabled' in fields ? { ...fields, cbt_enabled: false } : fields))
  return withoutLogs(untracked, files)
}

/** The snapshot still has its data, so its size is the only thing that a scan corrects, as of the others. */
function sizesOfAllThree(recorded: Outcome): Outcome {
  const sizes = [1, 6, 8].map(sizeNoted)
  return { ...recorded, changes: { ...NO_CHANGES, VDI: Object.assign({}, ...sizes) as Changes[string] } }
}

function succeeded(recorded: Outcome): Outcome {
  return { ...recorded, fault: undefined, response: null }
}

/** The record of an empty child, the n-th disk that the reference drew a uuid for, follows the size of its file. */
function sizeNoted(n: number): Record<string, Fields> {
  return { [`~0a00000${n}-0000-4000-8000-00000000000${n}`]: { physical_utilisation: '5120' } }
}

/** Edits the fields of every disk that is new or changed. */
function editVdis(recorded: Outcome, edit: (fields: Fields) => Fields): Outcome {
  const vdis = Object.entries(recorded.changes['VDI'] ?? {}).map(([key, fields]) => {
    return [key, key.startsWith('+') && fields !== null ? edit(fields) : fields] as const
  })
  return { ...recorded, changes: { ...recorded.changes, VDI: Object.fromEntries(vdis) } }
}

function withFooter(files: Files, name: string): NonNullable<Files> {
  const facts = files?.[name]
  return { [name]: { ...facts, vhd: { ...facts?.vhd, footer_at_end: true } } }
}

function driverInfo(info: DriverInfo): Deviation {
  return {
    documented: 'also `VDI_REVERT` and `supported_image_formats`',
    expected: recorded => ({ ...recorded, response: ourDriverInfo(recorded.response, info) }),
  }
}

/** The two that the drivers of LUNs leave out, and only they have in the reference. */
function lunDriverInfo(info: DriverInfo): Deviation {
  const missing: readonly unknown[] = ['SR_METADATA', 'SR_CACHING']
  const shortened = (recorded: unknown) => {
    if (!isObject(recorded) || !Array.isArray(recorded['capabilities'])) throw new Error('no driver info was recorded')
    return { ...recorded, capabilities: recorded['capabilities'].filter(name => !missing.includes(name)) }
  }
  return {
    documented: 'but `SR_METADATA`, `SR_CACHING` *(iscsi-basic 1, hba-basic 1)*',
    expected: recorded => ({ ...recorded, response: ourDriverInfo(shortened(recorded.response), info) }),
  }
}

/** The texts are ours, and so are the order of capabilities, the last of them, and the list of formats. */
function ourDriverInfo(recorded: unknown, info: DriverInfo): unknown {
  if (!isObject(recorded) || !Array.isArray(recorded['capabilities'])) throw new Error('no driver info was recorded')
  const theirs = new Set([...(recorded['capabilities'] as unknown[]), 'VDI_REVERT'])
  const ours = new Set<unknown>(info.capabilities)
  if (theirs.size !== ours.size || [...theirs].some(name => !ours.has(name))) return { capabilities: [...theirs] }
  const { vendor, copyright, description, capabilities, configuration } = info
  const texts = { vendor, copyright, description, capabilities, configuration }
  return { ...recorded, ...texts, supported_image_formats: ['vhd', 'raw'] }
}

/** Where an attach has found that there are no hard links, it has told so. */
function untoldHardLinks(): Deviation {
  return {
    documented: 'a share is tested for hard links by the first snapshot',
    expected: recorded => ({ ...recorded, changes: { ...recorded.changes, message: {} } }),
  }
}

/** The record of the snapshot of an empty child. */
function ourSnapshot(): Fields {
  return {
    uuid: OUR_SNAPSHOT,
    location: OUR_SNAPSHOT,
    name_label: '',
    name_description: '',
    virtual_size: '8388608',
    physical_utilisation: '5120',
    type: 'user',
    read_only: false,
    managed: true,
    sm_config: { 'vhd-parent': BASE },
    other_config: {},
    is_a_snapshot: false,
    snapshot_time: { dateTime: '19700101T00:00:00Z' },
    missing: false,
    cbt_enabled: false,
    metadata_of_pool: 'OpaqueRef:NULL',
    SR: SR_3,
  }
}
