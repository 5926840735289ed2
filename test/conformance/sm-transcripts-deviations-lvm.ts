import type { Deviation } from './sm-transcripts-deviations.ts'
import type { Changes, Fields, VolumeFacts } from './sm-transcripts-format.ts'
import type { Outcome } from './sm-transcripts-outcome.ts'
import type { GroupFacts } from './sm-transcripts-volumes.ts'

const NO_CHANGES: Changes = { SR: {}, VDI: {}, message: {} }
const MERGED = 'keys are merged, none is wiped'
const NOTHING_REMOVED = '`sr_delete` removes the metadata volume before it finds'
const NO_SUCH_GROUP = 'the alert of a failed scan after `sr_attach`'
const REVERTED = '`vdi_revert` is an unknown command (143) *(lvm-errors 25)*'
const WHOLE_ENTRY = 'the metadata entry of a new disk has no pool and is never one of a snapshot'
const SESSION_LEFT =
  'a probe that fails leaves its random uuid among the users of the target for ever *(iscsi-basic 9-27)*'
const RECORDS_FIRST = 'the records of a snapshot are introduced after its journal is gone'
const FOOTER = 'an interrupted inflate that had not begun'
const FOOTER_STAYS = 'the end footer stays while our server has it open'

const META = '0a000009-0000-4000-8000-000000000009'
const IMPORTED = '0a00000b-0000-4000-8000-00000000000b'
const CRASHED = '0a00000d-0000-4000-8000-00000000000d'
const CRASH_LEAF = '0a000010-0000-4000-8000-000000000010'
const CRASH_BASE = '0a00000f-0000-4000-8000-00000000000f'

/** Where the drivers with volumes do something else on purpose, by scenario and step. */
export const volumeDeviations: Readonly<Record<string, Deviation>> = {
  // The reference makes the metadata volume where a second sr_create finds the group, and with it writes sm_config anew.
  'lvm-thick-lifecycle 4': { documented: MERGED, expected: recorded => ({ ...recorded, changes: NO_CHANGES }) },
  'iscsi-basic 11': { documented: MERGED, expected: recorded => ({ ...recorded, changes: NO_CHANGES }) },
  'iscsi-basic 10': { documented: SESSION_LEFT, expected: withoutGroup },
  'iscsi-basic 23': { documented: SESSION_LEFT, expected: withoutGroup },
  'lvm-thick-lifecycle 41': {
    documented: NOTHING_REMOVED,
    expected: (recorded, _files, group) => ({ ...recorded, group }),
  },
  'lvm-thick-lifecycle 49': { documented: NOTHING_REMOVED, expected: deletedInPlace },
  'lvm-errors 1': {
    documented: NO_SUCH_GROUP,
    expected: recorded => editMessages(recorded, body => body.replace(/rvgstats.*\]/, `${noSuchGroup(3)}]`)),
  },
  // Both disks are empty children of one parent: there is nothing to do.
  'lvm-errors 25': {
    documented: REVERTED,
    expected: recorded => ({ ...recorded, fault: undefined, response: null }),
  },
  ...Object.fromEntries([17, 18, 19, 20, 21, 22].map(n => [`lvm-single ${n}`, wholeEntries(n)])),
  'lvm-crash 32': { documented: RECORDS_FIRST, expected: introducedBefore },
  'lvm-crash 34': {
    documented: RECORDS_FIRST,
    expected: recorded => ({
      ...editEntries(recorded, (uuid, [names, facts]) => {
        if (uuid === CRASH_LEAF) return [names.replace('<name_label>', '<name_label>A3'), rewritten(facts, 6144)]
        return uuid === CRASH_BASE ? [names, rewritten(facts, 7168)] : [names, facts]
      }),
      changes: { ...recorded.changes, VDI: {} },
    }),
  },
  'lvm-inflate-crash 9': { documented: FOOTER, expected: withFooters },
  // Its tapdisk has cut the end footer off the new leaf.
  'lvm-thin 20': { documented: FOOTER_STAYS, expected: withFooters },
}

/** With the last session of the target the LUN goes, and what is on it. */
function withoutGroup(recorded: Outcome): Outcome {
  return { ...recorded, group: undefined }
}

type Entry = readonly [names: string, facts: string]

/** Entries say what their disks were made with; those of later steps have been brought up to date by `vdi_update`. */
function wholeEntries(step: number): Deviation {
  const facts = '<is_a_snapshot>0</is_a_snapshot><snapshot_of></snapshot_of><snapshot_time></snapshot_time>'
  const ours =
    '<is_a_snapshot>1</is_a_snapshot><snapshot_of>0a000001-0000-4000-8000-000000000001</snapshot_of>' +
    '<snapshot_time>20250102T03:04:05Z</snapshot_time>'
  const edit = (uuid: string, [names, text]: Entry): Entry => {
    if (uuid === IMPORTED) return [names, text.replace(facts, ours)]
    if (uuid !== META || step > 18) return [names, text]
    return [names, text.replace('<metadata_of_pool>', '<metadata_of_pool>OpaqueRef:pool-0002')]
  }
  return { documented: WHOLE_ENTRY, expected: recorded => editEntries(recorded, edit) }
}

/** The entries of the disks that went are marked where they were; the reference had drawn up the volume anew. */
function deletedInPlace(recorded: Outcome, _files: unknown, group?: GroupFacts): Outcome {
  const left = new Set(['0a000007-0000-4000-8000-000000000007'])
  const before = group?.volumes['MGT']?.mgt?.sectors ?? []
  const sectors = entriesOf(before).flatMap(([names, facts], index) => {
    if (left.has(uuidOf(facts)) || facts.includes('<deleted>1')) return [names, facts]
    return [names, rewritten(facts.replace('<deleted>0', '<deleted>1'), 2048 + 1024 * index)]
  })
  // The last one is cut off.
  const kept = sectors.slice(0, -2)
  const header = `XSSM:${String(2048 + 512 * kept.length).padEnd(10)}:1:2`
  return editMetadata(recorded, () => [header, ...before.slice(1, 4), ...kept])
}

/** As the next step has them: the reference's process ended before it came to the records. */
function introducedBefore(recorded: Outcome): Outcome {
  const common = {
    name_description: '',
    virtual_size: '12582912',
    physical_utilisation: '8388608',
    type: 'user',
    other_config: {},
    is_a_snapshot: false,
    snapshot_time: { dateTime: '19700101T00:00:00Z' },
    missing: false,
    cbt_enabled: false,
    metadata_of_pool: 'OpaqueRef:NULL',
    SR: '1f3d0000-0000-4000-8000-000000000004',
  }
  const smConfig = { vdi_type: 'vhd', 'vhd-parent': CRASH_BASE }
  const [leaf, base] = [
    { uuid: CRASH_LEAF, location: CRASH_LEAF, name_label: '', read_only: false, managed: true, sm_config: smConfig },
    { uuid: CRASH_BASE, location: CRASH_BASE, name_label: 'base copy', read_only: true, managed: false },
  ]
  const VDI: Record<string, Fields> = {
    [`+${CRASH_LEAF}`]: { ...common, ...leaf },
    [`+${CRASH_BASE}`]: { ...common, ...base, sm_config: { vdi_type: 'vhd' } },
    [`~${CRASHED}`]: { sm_config: smConfig },
  }
  const entries = [
    '<vdi><name_label>A3</name_label><name_description></name_description>',
    entryFacts(CRASH_LEAF, { isASnapshot: 1, snapshotOf: CRASHED, readOnly: 0, managed: 1 }),
    '<vdi><name_label>base copy</name_label><name_description></name_description>',
    entryFacts(CRASH_BASE, { isASnapshot: 0, snapshotOf: '', readOnly: 1, managed: 0 }),
  ]
  const added = editMetadata(recorded, sectors => ['XSSM:8192      :1:2', ...sectors.slice(1), ...entries])
  return { ...added, changes: { ...recorded.changes, VDI } }
}

function entryFacts(
  uuid: string,
  {
    isASnapshot,
    snapshotOf,
    readOnly,
    managed,
  }: Record<'isASnapshot' | 'readOnly' | 'managed', number> & { snapshotOf: string },
): string {
  return (
    `<uuid>${uuid}</uuid><is_a_snapshot>${isASnapshot}</is_a_snapshot><snapshot_of>${snapshotOf}</snapshot_of>` +
    '<snapshot_time></snapshot_time><type>user</type><vdi_type>vhd</vdi_type>' +
    `<read_only>${readOnly}</read_only><managed>${managed}</managed><metadata_of_pool></metadata_of_pool>` +
    '<deleted>0</deleted></vdi>'
  )
}

/** An entry that is written again tells its offset. */
function rewritten(facts: string, offset: number): string {
  return facts.includes('<offset>') ? facts : facts.replace('</vdi>', `<offset>${offset}</offset></vdi>`)
}

function withFooters(recorded: Outcome): Outcome {
  return editVolumes(recorded, facts => (facts.vhd ? { ...facts, vhd: { ...facts.vhd, footer_at_end: true } } : facts))
}

function noSuchGroup(n: number): string {
  return `no such volume group: VG_XenStorage-1f3d0000-0000-4000-8000-00000000000${n}`
}

function entriesOf(sectors: readonly string[]): Entry[] {
  const starts = Array.from({ length: Math.max(0, sectors.length - 4) / 2 }, (_value, index) => 4 + 2 * index)
  return starts.map(start => [sectors[start] ?? '', sectors[start + 1] ?? ''] as const)
}

function uuidOf(facts: string): string {
  return /<uuid>([^<]*)/.exec(facts)?.[1] ?? ''
}

function editEntries(recorded: Outcome, edit: (uuid: string, entry: Entry) => Entry): Outcome {
  return editMetadata(recorded, sectors => {
    const entries = entriesOf(sectors).flatMap(entry => edit(uuidOf(entry[1]), entry))
    return [...sectors.slice(0, 4), ...entries]
  })
}

function editMetadata(recorded: Outcome, edit: (sectors: readonly string[]) => readonly string[]): Outcome {
  return editVolumes(recorded, facts => (facts.mgt ? { ...facts, mgt: { sectors: edit(facts.mgt.sectors) } } : facts))
}

function editVolumes(recorded: Outcome, edit: (facts: VolumeFacts) => VolumeFacts): Outcome {
  const { group } = recorded
  if (group === undefined) return recorded
  const volumes = Object.entries(group.volumes).map(([name, facts]) => [name, edit(facts)] as const)
  return { ...recorded, group: { ...group, volumes: Object.fromEntries(volumes) } satisfies GroupFacts }
}

function editMessages(recorded: Outcome, edit: (body: string) => string): Outcome {
  const messages = Object.entries(recorded.changes['message'] ?? {}).map(([name, fields]) => {
    return [name, fields && { ...fields, body: edit(String(fields['body'])) }] as const
  })
  return { ...recorded, changes: { ...recorded.changes, message: Object.fromEntries(messages) } }
}
