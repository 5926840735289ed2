import type { Lvm } from './Lvm.ts'
import { isLvmError } from './LvmError.ts'

/** A logical volume as LVM reports it. Sizes in bytes. */
export interface LogicalVolume {
  readonly name: string
  readonly size: number
  readonly tags: readonly string[]
  /** Its permission in LVM's metadata. */
  readonly writable: boolean
  /** Mapped on this host. */
  readonly active: boolean
  /** Opened by somebody on this host when the report was made. */
  readonly open: boolean
  /** Where it lies, ascending and linear parts only. Undefined for what was made or resized after the report. */
  readonly segments: readonly Segment[] | undefined
}

/** Consecutive bytes of a volume and where they lie on a physical volume. */
export interface Segment {
  /** Byte offset within the volume. */
  readonly start: number
  readonly length: number
  readonly device: string
  /** Byte offset on the device. */
  readonly position: number
}

export interface PhysicalVolume {
  /** `[unknown]` where it is missing. */
  readonly device: string
  readonly uuid: string
  /** Bytes. */
  readonly size: number
}

/** One volume group, from one report. Sizes in bytes. */
export interface GroupReport {
  readonly name: string
  readonly size: number
  readonly free: number
  readonly extentSize: number
  readonly physicalVolumes: readonly PhysicalVolume[]
  /** By name, in LVM's order. */
  readonly volumes: ReadonlyMap<string, LogicalVolume>
}

const UNITS = ['--reportformat', 'json', '--units', 'b', '--nosuffix']
const FIELDS = [
  ...['--configreport', 'vg', '-o', 'vg_name,vg_size,vg_free,vg_extent_size'],
  ...['--configreport', 'pv', '-o', 'pv_name,pv_uuid,pv_size,pe_start'],
  ...['--configreport', 'lv', '-o', 'lv_name,lv_size,lv_attr,lv_tags'],
  ...['--configreport', 'seg', '-o', 'lv_name,segtype,seg_start,seg_size,devices'],
  ...['--configreport', 'pvseg', '-o', 'pvseg_start'],
]

type Row = Readonly<Record<string, string>>

/** What `lvm fullreport` prints for one group. */
interface Sections {
  readonly vg: readonly Row[]
  readonly pv: readonly Row[]
  readonly lv: readonly Row[]
  readonly seg: readonly Row[]
}

/**
 * Everything about a volume group, by one process. Undefined where the host sees no such group.
 * @throws LvmError where LVM fails otherwise, Error where it says something else than expected
 */
export async function reportGroup(lvm: Lvm, group: string): Promise<GroupReport | undefined> {
  const sections = await ask(lvm, group)
  const [vg] = sections?.vg ?? []
  if (sections === undefined || vg === undefined) return undefined
  const extentSize = bytesOf(vg, 'vg_extent_size')
  const segments = segmentsByVolume(sections, extentSize)
  const volumes = sections.lv.map(row => toVolume(row, segments))
  return {
    name: textOf(vg, 'vg_name'),
    size: bytesOf(vg, 'vg_size'),
    free: bytesOf(vg, 'vg_free'),
    extentSize,
    physicalVolumes: sections.pv.map(row => ({
      device: textOf(row, 'pv_name'),
      uuid: textOf(row, 'pv_uuid'),
      size: bytesOf(row, 'pv_size'),
    })),
    volumes: new Map(volumes.map(volume => [volume.name, volume])),
  }
}

/** The rows of a report of one kind, e.g. `pvs`. */
export function parseRows(json: string, kind: string): Row[] {
  const { report } = parseReports(json)
  return report.flatMap(sections => sections[kind] ?? [])
}

/** A text of a report row. */
export function textOf(row: Row, field: string): string {
  const text = row[field]
  if (text === undefined) throw new Error(`LVM reports no ${field}`)
  return text
}

/** A number of a report row that was asked for in bytes. */
export function bytesOf(row: Row, field: string): number {
  const text = textOf(row, field)
  if (!/^\d+$/.test(text)) throw new Error(`LVM reports ${field} as ${JSON.stringify(text)}`)
  return Number(text)
}

async function ask(lvm: Lvm, group: string): Promise<Sections | undefined> {
  try {
    const json = await lvm.look(['lvm', 'fullreport', ...UNITS, ...FIELDS, group])
    const [vg, pv, lv, seg] = ['vg', 'pv', 'lv', 'seg'].map(kind => parseRows(json, kind))
    return { vg: vg ?? [], pv: pv ?? [], lv: lv ?? [], seg: seg ?? [] }
  } catch (error) {
    if (isLvmError(error, 'missing')) return undefined
    throw error
  }
}

function parseReports(json: string): { report: readonly Readonly<Record<string, Row[]>>[] } {
  const parsed = JSON.parse(json) as unknown
  const isReport = typeof parsed === 'object' && parsed !== null && 'report' in parsed && Array.isArray(parsed.report)
  if (!isReport) throw new Error('LVM printed something else than a report')
  return parsed as { report: Record<string, Row[]>[] }
}

function toVolume(row: Row, segments: ReadonlyMap<string, Segment[]>): LogicalVolume {
  const name = textOf(row, 'lv_name')
  // Permission, state and device are the characters 1, 4 and 5; a permission in capitals is overridden for the moment.
  const attributes = textOf(row, 'lv_attr')
  return {
    name,
    size: bytesOf(row, 'lv_size'),
    tags: textOf(row, 'lv_tags')
      .split(',')
      .filter(tag => tag !== ''),
    writable: attributes[1] !== 'r',
    active: attributes[4] === 'a',
    open: attributes[5] === 'o',
    segments: segments.get(name) ?? [],
  }
}

function segmentsByVolume({ pv, seg }: Sections, extentSize: number): Map<string, Segment[]> {
  const firstExtents = new Map(pv.map(row => [textOf(row, 'pv_name'), bytesOf(row, 'pe_start')]))
  const found = new Map<string, Segment[]>()
  for (const row of seg) {
    const [, device = '', extent = ''] = /^([^(),]+)\((\d+)\)$/.exec(textOf(row, 'devices')) ?? []
    const firstExtent = firstExtents.get(device)
    if (textOf(row, 'segtype') !== 'linear' || firstExtent === undefined) continue
    const position = firstExtent + Number(extent) * extentSize
    const segment = { start: bytesOf(row, 'seg_start'), length: bytesOf(row, 'seg_size'), device, position }
    const name = textOf(row, 'lv_name')
    found.set(
      name,
      [...(found.get(name) ?? []), segment].sort((a, b) => a.start - b.start),
    )
  }
  return found
}
