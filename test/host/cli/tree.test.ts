import fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildForest, type TreeImage, type TreeNode, type TreeRecord } from '../../../cli/tree/forest.ts'
import { isUnicodeLocale, renderForest } from '../../../cli/tree/render.ts'

const MIB = 1024 * 1024
const plain = (text: string): string => text

function image(uuid: string, parent?: string, more: Partial<TreeImage> = {}): TreeImage {
  return { uuid, parent, virtualSize: 4 * MIB, bytesOnDisk: MIB, hidden: false, raw: false, ...more }
}

function disk(uuid: string, nameLabel: string): [string, TreeRecord] {
  return [uuid, { uuid, nameLabel, snapshot: undefined }]
}

function snapshot(
  uuid: string,
  nameLabel: string,
  of: { time: string; ofUuid?: string; ofName: string },
): [string, TreeRecord] {
  return [uuid, { uuid, nameLabel, snapshot: { ofUuid: undefined, ...of } }]
}

const images = [
  image('5nap-2', 'ba5e-1'),
  image('d15c-a', 'ba5e-2'),
  image('ba5e-2', 'ba5e-1', { hidden: true }),
  image('ba5e-1', undefined, { hidden: true }),
  image('5nap-1', 'ba5e-1'),
  image('new1-a'),
]
const records = new Map([
  disk('d15c-a', 'disk-A'),
  snapshot('5nap-1', 'early', { time: '20260101T00:00:00Z', ofUuid: 'd15c-a', ofName: 'disk-A' }),
  snapshot('5nap-2', 'late', { time: '20260202T00:00:00Z', ofName: '' }),
])

test('a tree shows bases, disks and snapshots of which disk and when', () => {
  expect(renderForest(buildForest(images, records), { ascii: false, dim: plain })).toBe(
    [
      '├─ (no name) new1-a  4 MiB, 1 MiB on disk  not in the database: run sm sr-scan',
      '└─ ▪ base copy ba5e-1  4 MiB, 1 MiB on disk  hidden',
      '   ├─ ○ early 5nap-1  4 MiB, 1 MiB on disk  snapshot of disk-A, 2026-01-01 00:00:00 UTC',
      '   ├─ ○ late 5nap-2  4 MiB, 1 MiB on disk  snapshot of a disk that is gone, 2026-02-02 00:00:00 UTC',
      '   └─ ▪ base copy ba5e-2  4 MiB, 1 MiB on disk  hidden',
      '      └─ disk-A d15c-a  4 MiB, 1 MiB on disk  ← you can write here',
      '',
    ].join('\n'),
  )
})

test('with --ascii there is nothing but ASCII', () => {
  const drawn = renderForest(buildForest(images, records), { ascii: true, dim: plain })
  expect(drawn).toMatch(/^[\n\x20-\x7e]+$/)
  expect(drawn).toContain('`- # base copy')
})

test('missing parents, unused bases and unreadable images are pointed out', () => {
  const forest = buildForest(
    [
      image('lost', 'gone'),
      image('idle', undefined, { hidden: true }),
      image('torn', undefined, { problem: 'no\x1bfooter' }),
    ],
    new Map([disk('lost', 'lost'), disk('torn', 'torn')]),
  )
  const drawn = renderForest(forest, { ascii: true, dim: plain })
  expect(drawn).toContain('its parent gone is missing')
  expect(drawn).toContain('hidden, unused')
  expect(drawn).toContain('cannot be read: no\\x1bfooter')
})

test('every image appears exactly once, whatever its parent says', () => {
  const uuids = ['a', 'b', 'c', 'd', 'e', 'f']
  const parent = fc.constantFrom(undefined, ...uuids, 'elsewhere')
  fc.assert(
    fc.property(fc.tuple(...uuids.map(() => parent)), fc.array(fc.boolean(), { minLength: 6 }), (parents, hidden) => {
      const all = uuids.map((uuid, index) => image(uuid, parents[index], { hidden: hidden[index] ?? false }))
      expect(buildForest(all, new Map()).flatMap(uuidsIn).sort()).toEqual(uuids)
    }),
  )
})

function uuidsIn(node: TreeNode): string[] {
  return [node.image.uuid, ...node.children.flatMap(uuidsIn)]
}

test('the locale decides about Unicode, its strongest variable first', () => {
  expect(isUnicodeLocale({ LANG: 'de_DE.UTF-8' })).toBe(true)
  expect(isUnicodeLocale({ LANG: 'C.utf8', LC_ALL: 'C' })).toBe(false)
  expect(isUnicodeLocale({ LANG: 'C', LC_CTYPE: 'C.UTF-8', LC_ALL: '' })).toBe(true)
  expect(isUnicodeLocale({})).toBe(false)
})
