import type { Vdi } from './model.ts'

/** Bytes for people: `1.5 GiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let [value, unit] = [bytes, 0]
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1]
  return `${Number(value.toFixed(value < 10 ? 2 : 1))} ${units[unit] ?? ''}`
}

/** `20261123T01:02:03Z` as `2026-11-23 01:02` (UTC). */
export function formatDate(text: string): string {
  const [, year, month, day, time] = /^(\d{4})(\d\d)(\d\d)T(\d\d:\d\d)/.exec(text) ?? []
  return year === undefined ? text : `${year}-${month ?? ''}-${day ?? ''} ${time ?? ''} UTC`
}

export function nameOf(vdi: Vdi | undefined): string {
  if (vdi === undefined) return 'a disk that is gone'
  return vdi.name_label === '' ? vdi.uuid.slice(0, 8) : vdi.name_label
}
