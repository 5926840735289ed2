import * as fs from 'node:fs/promises'
import path from 'node:path'
import { LockManager } from '../../lib/lock/Lock.ts'
import { Lvm } from '../../lib/lvm/Lvm.ts'
import { groupName } from '../../lib/lvm/names.ts'
import { reportGroup, type LogicalVolume } from '../../lib/lvm/report.ts'
import { VolumeGroup } from '../../lib/lvm/VolumeGroup.ts'
import { VolumeReader } from '../../lib/lvm/VolumeReader.ts'
import { makeLogger } from '../../lib/os/log.ts'
import type { Box } from './sm-transcripts-box.ts'
import type { State, VolumeFacts } from './sm-transcripts-format.ts'
import type { Names } from './sm-transcripts-names.ts'
import { decodeVhd } from './sm-transcripts-vhd.ts'

/** A volume group as the recordings show it, as far as it is a contract. */
export interface GroupFacts {
  /** Bytes, as text. */
  readonly size: string
  readonly free: string
  /** By name. */
  readonly volumes: Readonly<Record<string, VolumeFacts>>
}

const SECTOR = 512
const ENTRIES_START = 4 * SECTOR

/** Undefined where the host sees no such group. */
export function recordedGroup(state: State): GroupFacts | undefined {
  if (state.vg === undefined) return undefined
  const { vg, lvs } = state.vg
  const volumes = Object.entries(lvs).map(([name, facts]) => [name, recordedVolume(facts)] as const)
  return { size: vg.vg_size, free: vg.vg_free, volumes: Object.fromEntries(volumes) }
}

/** What lies behind the length that the header states is nobody's. */
function recordedVolume({ mgt, ...facts }: VolumeFacts): VolumeFacts {
  if (mgt === undefined) return facts
  const length = Number(/^XSSM:(\d+)/.exec(mgt.sectors[0] ?? '')?.[1])
  return { ...facts, mgt: { sectors: mgt.sectors.slice(0, length / SECTOR) } }
}

/** The group of the box's SR, with nothing known of it yet. */
export function volumeGroupOf({ system, paths, srUuid, group = groupName(srUuid) }: Box): VolumeGroup {
  const locks = new LockManager(paths, system.effects)
  const lvm = new Lvm({ system, paths, locks, log: makeLogger({ spec: 'none' }) }, { master: true })
  return new VolumeGroup(lvm, group)
}

/** What the box's SR has, in recorded names. */
export async function groupFacts(box: Box, names: Names): Promise<GroupFacts | undefined> {
  const { lvm, name } = volumeGroupOf(box)
  const report = await reportGroup(lvm, name)
  if (report === undefined) return undefined
  const reader = new VolumeReader(box.system.files)
  try {
    const volumes: Record<string, VolumeFacts> = {}
    for (const volume of report.volumes.values()) {
      volumes[names.toRecorded(volume.name)] = names.valueToRecorded(await factsOf(reader, volume)) as VolumeFacts
    }
    return { size: String(report.size), free: String(report.free), volumes }
  } finally {
    await reader.close()
  }
}

/** Pairs the uuids that a journal of a snapshot names, which are nowhere else as long as it is not settled. */
export async function pairJournals(box: Box, names: Names, recorded: GroupFacts): Promise<void> {
  for (const [name, { journal }] of Object.entries(recorded.volumes)) {
    if (journal === undefined) continue
    const ours = (await groupFacts(box, names))?.volumes[name]?.journal
    const [theirs, own] = [uuidsOf(journal), uuidsOf(ours ?? '')]
    for (const [index, uuid] of theirs.entries()) if (own[index] !== undefined) names.pair(uuid, own[index])
  }
}

/**
 * Where a recorded process ended at a given point, ours is killed there: what the other did on its way out is done here.
 * It unmapped what it had active, dropped its references and resumed the disk.
 */
export async function endInterrupted(box: Box, vdiRef: string): Promise<void> {
  const group = volumeGroupOf(box)
  const active = [...(await group.report()).volumes.values()].filter(({ name, active }) => active && name !== 'MGT')
  await group.deactivate(active.map(({ name }) => name))
  await fs.rm(referencesOf(box), { recursive: true, force: true })
  await box.call('VDI.remove_from_sm_config', vdiRef, 'paused')
}

/** Directory of the refcount files. */
export function referencesOf({ paths, srUuid }: Box): string {
  return path.join(paths.runtime, 'refcount', `lvm-${srUuid}`)
}

/** With nothing but the metadata volume active. */
export function inactive(group: GroupFacts): GroupFacts {
  const volumes = Object.entries(group.volumes).map(([name, facts]) => {
    return [name, name === 'MGT' ? facts : { ...facts, attr: facts.attr.replace('a', '-') }] as const
  })
  return { ...group, volumes: Object.fromEntries(volumes) }
}

/** Names, sizes and attributes alone. */
export function withoutContent(group: GroupFacts): GroupFacts {
  const volumes = Object.entries(group.volumes).map(([name, { size, attr, tags }]) => [name, { size, attr, tags }])
  return { ...group, volumes: Object.fromEntries(volumes) as GroupFacts['volumes'] }
}

function uuidsOf(journal: string): string[] {
  return journal.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? []
}

async function factsOf(reader: VolumeReader, volume: LogicalVolume): Promise<VolumeFacts> {
  const { name, size, tags, segments = [] } = volume
  const read = (position: number, length: number) => reader.read({ name, size, segments }, position, length)
  const facts = { size, attr: attributesOf(volume), tags: tags.join(',') }
  if (name === 'MGT') return { ...facts, mgt: { sectors: await sectorsOf(read) } }
  if (tags.includes('journaler')) return { ...facts, journal: textOf(await read(0, SECTOR)) }
  const vhd = name.startsWith('VHD-') ? await decodeVhd({ size, read }) : undefined
  return vhd === undefined ? facts : { ...facts, vhd }
}

function attributesOf({ writable, active, open }: LogicalVolume): string {
  return `-${writable ? 'w' : 'r'}i-${active ? 'a' : '-'}${open ? 'o' : '-'}----`
}

async function sectorsOf(read: (position: number, length: number) => Promise<Buffer>): Promise<string[]> {
  const length = Number(/^XSSM:(\d+)/.exec(textOf(await read(0, SECTOR)))?.[1] ?? ENTRIES_START)
  const content = await read(0, length)
  const starts = Array.from({ length: length / SECTOR }, (_value, index) => index * SECTOR)
  return starts.map(start => textOf(content.subarray(start, start + SECTOR)))
}

function textOf(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/[ \0]+$/, '')
}
