import { CommandError, type Run } from '../lib/os/run.ts'
import type { Segment } from '../lib/lvm/report.ts'
import type { MappedVolume } from '../lib/lvm/VolumeReader.ts'
import { vhdError } from '../lib/vhd/errors.ts'

const REPORT = ['--noheadings', '--nosuffix', '--units=b']
const GROUP_FIELDS = 'vg_name,vg_extent_size,lv_count,pv_count,pv_name,pe_start'
const VOLUME_FIELDS = 'lv_name,lv_size,segtype,seg_count,seg_start,seg_size,devices'

interface Group {
  readonly extentSize: number
  /** Byte offset of the first extent by device. */
  readonly starts: ReadonlyMap<string, number>
}

/**
 * The volumes of a group in the order of `lvs`, active or not (spec vhd 7.13). Throws EINVAL where the group is unknown
 * or LVM says something else than expected.
 */
export async function listVolumes(run: Run, group: string): Promise<MappedVolume[]> {
  if (group === '' || group.startsWith('-')) throw vhdError('EINVAL', `not the name of a volume group: ${group}`)
  const found = parseGroup(await report(run, ['vgs', group], GROUP_FIELDS))
  const volumes = new Map<string, MappedVolume>()
  for (const words of await report(run, ['lvs', group], VOLUME_FIELDS)) {
    const { name, size, segment } = parseVolume(words, found)
    const known = volumes.get(name)
    const segments = [...(known?.segments ?? []), ...(segment === undefined ? [] : [segment])]
    volumes.set(name, { name, size, segments: segments.sort((a, b) => a.start - b.start) })
  }
  return [...volumes.values()]
}

async function report(run: Run, command: readonly [string, string], fields: string): Promise<string[][]> {
  try {
    const { stdout } = await run([...command, ...REPORT, `--options=${fields}`, '--unbuffered'])
    const lines = stdout.split('\n').map(line => line.trim())
    return lines.filter(line => line !== '').map(line => line.split(/\s+/))
  } catch (error) {
    if (error instanceof CommandError) throw vhdError('EINVAL', error.message, error)
    throw error
  }
}

function parseGroup(lines: readonly (readonly string[])[]): Group {
  const starts = new Map<string, number>()
  let extentSize = 0
  for (const [, extent = '', , , device = '', start = ''] of lines) {
    extentSize = toNumber(extent)
    starts.set(device, toNumber(start))
  }
  if (extentSize === 0) throw vhdError('EINVAL', 'LVM reports no physical volume')
  return { extentSize, starts }
}

function parseVolume(
  [name = '', size = '', type = '', , start = '', length = '', devices = '']: readonly string[],
  { extentSize, starts }: Group,
): { name: string; size: number; segment: Segment | undefined } {
  const volume = { name, size: toNumber(size) }
  const [, device, extent] = /^([^(),]+)\((\d+)\)$/.exec(devices) ?? []
  const first = device === undefined ? undefined : starts.get(device)
  if (type !== 'linear' || device === undefined || extent === undefined || first === undefined) {
    return { ...volume, segment: undefined }
  }
  const position = first + toNumber(extent) * extentSize
  return { ...volume, segment: { start: toNumber(start), length: toNumber(length), device, position } }
}

function toNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw vhdError('EINVAL', `not a number in the report of LVM: ${text}`)
  return Number(text)
}
