import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDate, formatDuration } from '../../../cli/format/date.ts'
import { Progress } from '../../../cli/format/progress.ts'
import { formatSize, parseSize } from '../../../cli/format/sizes.ts'
import { renderFields, renderTable } from '../../../cli/format/table.ts'
import { displayWidth, printable } from '../../../cli/format/text.ts'
import { UsageError } from '../../../cli/failures.ts'

test.each([
  ['0', 0],
  ['4096', 4096],
  ['10GiB', 10 * 1024 ** 3],
  ['10 gib', 10 * 1024 ** 3],
  ['512M', 512 * 1024 ** 2],
  ['1k', 1024],
  ['1.5TiB', 1.5 * 1024 ** 4],
])('%s is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})

test.each(['', 'GiB', '-1', '1e9', '0x10', '1.0001', '10 GiB!', '9999999999TiB', '1,5G', '10GB', '5 mb'])(
  '%j is no size',
  text => {
    expect(() => parseSize(text)).toThrow(UsageError)
  },
)

test('a formatted size is the size again, within what is shown', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 46 }), bytes => {
      const text = formatSize(bytes)
      const shown = text.endsWith(' B') ? Number(text.slice(0, -2)) : parseSizeLoosely(text)
      expect(Math.abs(shown - bytes)).toBeLessThanOrEqual(bytes * 0.006)
    }),
  )
})

function parseSizeLoosely(text: string): number {
  const [number = '', unit = ''] = text.split(' ')
  return Number(number) * parseSize(`1${unit}`)
}

test('no text reaches a terminal with control or direction characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u)
    }),
  )
  expect(printable('a\x1b[31m\u202eb')).toBe('a\\x1b[31m\\u202eb')
  expect(printable('Müller – 日本 🐧')).toBe('Müller – 日本 🐧')
})

test('tables are aligned by what a terminal shows', () => {
  const rows = [
    { name: '日本', size: '1 GiB' },
    { name: 'e\u0301a', size: '512 MiB' },
  ]
  const table = renderTable(
    [
      { title: 'NAME', value: row => row.name },
      { title: 'SIZE', value: row => row.size, align: 'right' },
    ],
    rows,
  )
  const lines = table.trimEnd().split('\n')
  expect(lines[0]).toBe('NAME     SIZE')
  expect(new Set(lines.map(displayWidth))).toEqual(new Set([13]))
})

test('on a terminal long names give way, and nothing else', () => {
  const rows = [
    { name: 'n'.repeat(60), size: '1 MiB' },
    { name: '日本語'.repeat(12), size: '10 MiB' },
  ]
  const render = (width?: number) =>
    renderTable(
      [
        { title: 'NAME', value: row => row.name, mayShrink: true },
        { title: 'SIZE', value: row => row.size, align: 'right' },
      ],
      rows,
      width,
    )
  expect(render()).toContain(rows[0]?.name)
  const lines = render(30).trimEnd().split('\n')
  expect(lines.map(displayWidth)).toEqual([30, 30, 30])
  expect(lines[1]).toMatch(/^n{21}… {3}1 MiB$/)
  expect(lines[2]).toMatch(/^(日本語)+日?本?… +10 MiB$/)
  expect(render(5)).toMatch(/n{15}… {3}1 MiB/)
})

test('an empty table is empty', () => {
  expect(renderTable([{ title: 'NAME', value: String }], [])).toBe('')
})

test('a line end in a value forges no line', () => {
  expect(renderFields([['name', 'a\nuuid  fake']])).toBe('name  a\\x0auuid  fake\n')
})

test('dates and durations are readable', () => {
  expect(formatDate('20260817T09:30:00Z')).toBe('2026-08-17 09:30:00 UTC')
  expect(formatDate('2026-08-17T09:30:00Z')).toBe('2026-08-17 09:30:00 UTC')
  expect(formatDate('yesterday')).toBe('yesterday')
  expect([12, 1834, 200_000].map(formatDuration)).toEqual(['12 ms', '1.8 s', '3 min 20 s'])
})

test('progress on a terminal rewrites one line and tells share, speed and time left', () => {
  const written: string[] = []
  let now = 0
  const sink = { isTTY: true, write: (text: string) => written.push(text) }
  const progress = new Progress(sink, { total: 4096, label: 'importing', force: false, now: () => now })
  now = 1000
  progress.update(1024)
  progress.update(1025)
  now = 4000
  progress.finish(4096)
  expect(written).toHaveLength(3)
  expect(written[0]).toMatch(/^\r.*importing \[={6}-{18}\] 25% {2}1 KiB of 4 KiB {2}1 KiB\/s {2}3\.0 s left$/)
  expect(written[1]).toMatch(/\[={24}\] 100%/)
})

test('without a terminal progress is silent unless it is asked for', () => {
  const written: string[] = []
  const sink = { write: (text: string) => written.push(text) }
  const options = { total: undefined, label: 'importing', now: () => 0 }
  new Progress(sink, { ...options, force: false }).finish(10)
  expect(written).toEqual([])
  new Progress(sink, { ...options, force: true }).finish(10)
  expect(written).toEqual([expect.stringMatching(/^importing 10 B .*\n$/)])
})
