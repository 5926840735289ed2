import { describe, expect, test } from 'vitest'
import { kindOf, vdiOfPath } from '../../../lib/lvhd/names.ts'
import {
  groupName,
  mapperName,
  parseMapperName,
  requireLvmName,
  srOfGroup,
  volumePath,
} from '../../../lib/lvm/names.ts'

const SR = '1a6e0000-0000-4000-8000-000000000001'
const VDI = '1a000007-0000-4000-8000-000000000007'
const MAPPED = `VG_XenStorage--${SR.replaceAll('-', '--')}-VHD--${VDI.replaceAll('-', '--')}`

describe('names of volumes', () => {
  test('every dash is doubled in the device-mapper, and that can be undone', () => {
    expect(mapperName(groupName(SR), `VHD-${VDI}`)).toBe(MAPPED)
    expect(parseMapperName(MAPPED)).toEqual({ group: groupName(SR), volume: `VHD-${VDI}` })
    expect(parseMapperName('a-b')).toEqual({ group: 'a', volume: 'b' })
  })

  test.each(['control', 'a--b', '-', 'a-', 'mpatha'])('%s is no mapping of a volume', name => {
    expect(parseMapperName(name)).toBeUndefined()
  })

  test('an SR has its group, and other groups have no SR', () => {
    expect(srOfGroup(groupName(SR))).toBe(SR)
    expect(srOfGroup(`XSLocalEXT-${SR}`)).toBeUndefined()
    expect(volumePath(groupName(SR), 'MGT')).toBe(`/dev/VG_XenStorage-${SR}/MGT`)
  })

  test.each(['', '.', '..', '-n', 'a/b', 'a b', 'a\nb', '$(x)', 'ä', "a'b"])('%j is refused (100)', name => {
    expect(() => requireLvmName(name)).toThrow(expect.objectContaining({ code: 100 }) as Error)
    expect(() => volumePath('group', name)).toThrow(expect.objectContaining({ code: 100 }) as Error)
  })

  test.each([
    [`/dev/mapper/${MAPPED}`, 'vhd', VDI],
    [MAPPED, 'vhd', VDI],
    [`/dev/${groupName(SR)}/VHD-${VDI}`, 'vhd', VDI],
    [`VHD-${VDI}`, 'vhd', VDI],
    [MAPPED.replace('VHD', 'LV'), 'aio', VDI],
    [`LV-${VDI}`, 'aio', VDI],
  ])('%s means the %s disk %s', (name, type, uuid) => {
    expect(vdiOfPath(name)).toEqual({ type, uuid })
  })

  test.each(['MGT', '', '/etc/passwd', `${VDI}.vhd`, 'VG_XenStorage--x-MGT'])('%j means no disk', name => {
    expect(vdiOfPath(name)).toBeUndefined()
  })

  test.each([
    ['VHD-OLD_x', [], { kind: 'vhd', uuid: 'OLD_x' }],
    ['VHD-a', ['journaler'], { kind: 'vhd', uuid: 'a' }],
    ['LV-a', ['hidden'], { kind: 'aio', uuid: 'a' }],
    ['clone_a_1', ['journaler'], { kind: 'journal' }],
    ['clone_a_1', [], { kind: 'other' }],
    ['jvhd_a', ['x', 'jvhd'], { kind: 'resizeJournal', uuid: 'a' }],
    ['a-b.cbtlog', ['cbtlog'], { kind: 'cbtLog', uuid: 'a-b' }],
    ['MGT', [], { kind: 'metadata' }],
    ['QCOW2-a', [], { kind: 'other' }],
  ])('%s with the tags %j is classified', (name, tags, kind) => {
    expect(kindOf({ name, tags })).toEqual(kind)
  })
})
