import { describe, expect, test } from 'vitest'
import { garbageLeavesFirst } from '../../../drivers/file/garbage.ts'
import { findLeftovers, unknownFormatOf, uuidsOfUnknownFormat } from '../../../drivers/file/layout.ts'

const A = '0a000001-0000-4000-8000-000000000001'
const B = '0a000002-0000-4000-8000-000000000002'

describe('names in an SR directory', () => {
  test('journals and temporary files are told from disks and from other programs files', () => {
    const names = [
      `${A}.vhd`,
      `${A}.vhd.new`,
      `${A}.vhd.revert`,
      `${B}.raw.new`,
      `revert_${A}`,
      `revert_${B}.new`,
      `snapshot_${B}`,
      `.journal-${A}`,
      `coalesce_${A}`,
      'revert_nonsense',
      'filelog.txt',
      'something.vhd.new',
    ]
    expect(findLeftovers(names)).toEqual({
      reverts: [A],
      snapshots: [B],
      resizes: [A],
      temporaries: [`${A}.vhd.new`, `${A}.vhd.revert`, `${B}.raw.new`, `revert_${B}.new`],
    })
  })

  test('files of a format that is not known protect the record of their uuid', () => {
    const names = [`${A}.qcow2`, `${B}.vhd`, `${B}.cbtlog`, `${B}.vhdcache`, 'readme.txt']
    expect([...uuidsOfUnknownFormat(names)]).toEqual([A])
    expect(unknownFormatOf(names, A)).toBe('qcow2')
    expect(unknownFormatOf(names, B)).toBeUndefined()
  })
})

describe('garbage', () => {
  const row = (name: string, hidden: boolean, parentName?: string) => ({
    name,
    hidden,
    parentName,
    virtualSize: 0,
    physicalSize: 0,
    keyHash: undefined,
  })

  test('is what no visible disk needs, children before parents', () => {
    const rows = [
      row('root', true),
      row('mid', true, 'root'),
      row('leaf', true, 'mid'),
      row('kept', true),
      row('disk', false, 'kept'),
    ]
    expect(garbageLeavesFirst(rows).map(({ name }) => name)).toEqual(['leaf', 'mid', 'root'])
  })

  test('never includes a visible disk, even above garbage', () => {
    const rows = [row('disk', false), row('child', true, 'disk')]
    expect(garbageLeavesFirst(rows).map(({ name }) => name)).toEqual(['child'])
  })
})
