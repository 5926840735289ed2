import * as fs from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { decodeHeader, ENTRIES_START, ENTRY_SIZE, type MetadataVdi } from '../../../lib/lvhd/metadata.ts'
import { errnoError } from '../../../lib/os/effects.ts'
import type { OpenFile } from '../../../lib/os/OpenFile.ts'
import type { FakeLvm } from '../../support/FakeLvm.ts'
import { RootedFiles } from '../../support/RootedFiles.ts'
import { fakeGroup, oneCall, SR } from './support.ts'

const NAMES = { nameLabel: 'my sr', nameDescription: 'desc' }
const SR_INFO = { uuid: SR, allocation: 'thick', ...NAMES }

let lvm: FakeLvm

beforeEach(() => {
  lvm = fakeGroup(4)
})

function vdi(uuid: string, changes: Partial<MetadataVdi> = {}): MetadataVdi {
  return {
    ...{ uuid, nameLabel: `disk ${uuid}`, nameDescription: '', isASnapshot: false, snapshotOf: '', snapshotTime: '' },
    ...{ type: 'user', vdiType: 'vhd', readOnly: false, managed: true, metadataOfPool: '' },
    ...changes,
  }
}

const length = () => decodeHeader(lvm.content('MGT').subarray(0, 512))
const uuids = async () => [...(await oneCall(lvm).metadata.read()).vdis.keys()]
const change = (bytes: Buffer | string, position: number) => {
  const handle = fs.openSync(lvm.volumes.get('MGT')?.file ?? '', 'r+')
  fs.writeSync(handle, Buffer.from(bytes), 0, bytes.length, position)
  fs.closeSync(handle)
}

describe('the metadata volume', () => {
  test("grows and shrinks as the reference's", async () => {
    const { metadata } = oneCall(lvm)
    await metadata.create(SR_INFO, [])
    expect(length()).toBe(2048)
    for (const uuid of ['a', 'b', 'c']) await metadata.add(vdi(uuid))
    expect([length(), await uuids()]).toEqual([5120, ['a', 'b', 'c']])
    await metadata.delete('a')
    expect([length(), await uuids()]).toEqual([5120, ['b', 'c']])
    await metadata.add(vdi('d'))
    expect([length(), await uuids()]).toEqual([5120, ['d', 'b', 'c']])
    await metadata.delete('c')
    expect([length(), await uuids()]).toEqual([4096, ['d', 'b']])
    await metadata.delete('c')
    expect(length()).toBe(4096)
    expect(lvm.content('MGT').toString('utf8', 2048, 3072)).toContain('<offset>2048</offset></vdi>')
  })

  test('is made with all entries, and tells them again', async () => {
    const snapshot = vdi('s', {
      isASnapshot: true,
      snapshotOf: 'a',
      snapshotTime: '20260101T00:00:01Z',
      readOnly: true,
    })
    const { metadata } = oneCall(lvm)
    expect(await metadata.exists()).toBe(false)
    await metadata.create(SR_INFO, [vdi('a', { nameDescription: 'a <b> & "c"' }), snapshot])
    expect(await oneCall(lvm).metadata.exists()).toBe(true)
    expect(await oneCall(lvm).metadata.read()).toEqual({
      sr: SR_INFO,
      vdis: new Map([
        ['a', vdi('a', { nameDescription: 'a <b> & "c"' })],
        ['s', snapshot],
      ]),
      broken: [],
    })
  })

  test('is changed by one write and read without being activated', async () => {
    const first = oneCall(lvm)
    await first.metadata.create(SR_INFO, [vdi('a')])
    await first.group.deactivate(['MGT'])
    lvm.takeCommands()
    await uuids()
    expect(lvm.takeCommands()).toEqual(['lvm'])
    const effects: string[] = []
    const { metadata } = oneCall(lvm, { effects })
    await metadata.update('a', { nameLabel: 'renamed', snapshotTime: 't' })
    expect(effects.map(effect => effect.replace(/\/.*\//, ''))).toEqual([
      expect.stringMatching(/^process lvchange -ay MGT/),
      `file write MGT ${ENTRIES_START}+${ENTRY_SIZE}`,
      'file fsync MGT',
    ])
    await metadata.updateSr({ nameLabel: 'new', nameDescription: '' })
    expect(await oneCall(lvm).metadata.read()).toMatchObject({
      sr: { nameLabel: 'new', nameDescription: '', allocation: 'thick' },
      vdis: new Map([['a', vdi('a', { nameLabel: 'renamed', snapshotTime: 't' })]]),
    })
  })

  test('refuses to change what is not there (181)', async () => {
    const { metadata } = oneCall(lvm)
    await expect(metadata.read()).rejects.toMatchObject({ code: 181 })
    await metadata.remove()
    await metadata.create(SR_INFO, [])
    await expect(metadata.update('a', {})).rejects.toMatchObject({ code: 181 })
    await metadata.remove()
    expect(lvm.volumes.size).toBe(0)
  })

  test('has room for 4094 VDIs', async () => {
    const { metadata } = oneCall(lvm)
    const all = Array.from({ length: 4094 }, (_none, index) => vdi(`v${index}`))
    await metadata.create(SR_INFO, all.slice(1))
    expect(await metadata.hasRoom()).toBe(true)
    await metadata.add(vdi('v0'))
    expect(await metadata.hasRoom()).toBe(false)
    await expect(metadata.add(vdi('one more'))).rejects.toMatchObject({ code: 181 })
    await expect(metadata.create(SR_INFO, [...all, vdi('one more')])).rejects.toMatchObject({ code: 181 })
    await metadata.delete('v7')
    expect(await metadata.hasRoom()).toBe(true)
    await metadata.add(vdi('one more'))
    expect(await uuids()).toHaveLength(4094)
  })
})

describe('a damaged metadata volume', () => {
  beforeEach(async () => {
    await oneCall(lvm).metadata.create(
      SR_INFO,
      ['a', 'b', 'c'].map(uuid => vdi(uuid)),
    )
  })

  test('keeps the entries around one that cannot be understood', async () => {
    change('\u0001'.repeat(100), ENTRIES_START + ENTRY_SIZE)
    const { metadata } = oneCall(lvm)
    expect(await metadata.read()).toMatchObject({ broken: [ENTRIES_START + ENTRY_SIZE] })
    await metadata.delete('a')
    await metadata.add(vdi('d'))
    await metadata.add(vdi('e'))
    expect(await uuids()).toEqual(['d', 'c', 'e'])
    expect(lvm.content('MGT')[ENTRIES_START + ENTRY_SIZE]).toBe(1)
  })

  test('that says to be longer than it is, is read to its end', async () => {
    change('XSSM:9999999   :1:2', 0)
    const { vdis, broken } = await oneCall(lvm).metadata.read()
    expect([...vdis.keys()]).toEqual(['a', 'b', 'c'])
    expect(broken).toHaveLength(4091)
  })

  test('with half an entry at its end has one entry less', async () => {
    change(`XSSM:${ENTRIES_START + 2 * ENTRY_SIZE + 512}      :1:2`, 0)
    expect(await uuids()).toEqual(['a', 'b'])
  })

  test('without a header, or with a wrong one, is refused (181)', async () => {
    change('XSSM:none      :1:2', 0)
    const { metadata } = oneCall(lvm)
    expect(await metadata.exists()).toBe(true)
    const works = [
      () => metadata.read(),
      () => metadata.add(vdi('d')),
      () => metadata.delete('a'),
      () => metadata.update('a', {}),
      () => metadata.updateSr(NAMES),
    ]
    for (const work of works) await expect(work()).rejects.toMatchObject({ code: 181, detail: 'Bad header' })
  })

  test('with a bad sector loses the entry on it', async () => {
    const system = lvm.system()
    const files = new FilesWithBadSector(system.effects, lvm.root)
    const { metadata } = oneCall(lvm, { system: { ...system, files } })
    const { vdis, broken } = await metadata.read()
    expect([[...vdis.keys()], broken]).toEqual([['a', 'c'], [ENTRIES_START + ENTRY_SIZE]])
  })
})

const BAD_SECTOR = ENTRIES_START + ENTRY_SIZE + 512

class FilesWithBadSector extends RootedFiles {
  override async openDirect(name: string): Promise<OpenFile> {
    const file = await super.openDirect(name)
    const read = file.read.bind(file)
    file.read = (position, length) => {
      const isHit = position <= BAD_SECTOR && BAD_SECTOR < position + length
      return isHit ? Promise.reject(errnoError('EIO', 'bad sector')) : read(position, length)
    }
    return file
  }
}

describe('a change that is cut off anywhere', () => {
  const before = ['a', 'b', 'c']
  test.each([
    ['adding', ['a', 'b', 'c', 'd'], (call: Call) => call.metadata.add(vdi('d'))],
    ['deleting the last', ['a', 'b'], (call: Call) => call.metadata.delete('c')],
    ['deleting another', ['b', 'c'], (call: Call) => call.metadata.delete('a')],
    [
      'renaming the SR',
      ['a', 'b', 'c'],
      (call: Call) => call.metadata.updateSr({ nameLabel: 'x', nameDescription: 'y' }),
    ],
  ])('%s leaves the entries of before or of after', async (_what, after, act) => {
    const make = async () => {
      lvm = fakeGroup(4)
      const call = oneCall(lvm)
      await call.metadata.create(
        SR_INFO,
        before.map(uuid => vdi(uuid)),
      )
      await call.group.deactivate(['MGT'])
    }
    const effects: string[] = []
    await make()
    await act(oneCall(lvm, { effects }))
    expect(await uuids()).toEqual(after)
    for (let killBefore = 1; killBefore <= effects.length; killBefore += 1) {
      await make()
      await expect(act(oneCall(lvm, { killBefore }))).rejects.toThrow('EKILLED')
      const { vdis, broken, sr } = await oneCall(lvm).metadata.read()
      expect([before, after], effects[killBefore - 1]).toContainEqual([...vdis.keys()])
      expect([broken, sr.uuid]).toEqual([[], SR])
    }
  })

  test('making it leaves nothing, or all', async () => {
    const effects: string[] = []
    await oneCall(lvm, { effects }).metadata.create(
      SR_INFO,
      before.map(uuid => vdi(uuid)),
    )
    for (let killBefore = 1; killBefore <= effects.length; killBefore += 1) {
      lvm = fakeGroup(4)
      const dead = oneCall(lvm, { killBefore }).metadata
      await expect(
        dead.create(
          SR_INFO,
          before.map(uuid => vdi(uuid)),
        ),
      ).rejects.toThrow('EKILLED')
      const { metadata } = oneCall(lvm)
      const isThere = await metadata.exists()
      if (isThere) expect([...(await metadata.read()).vdis.keys()], effects[killBefore - 1]).toEqual(before)
      else await metadata.create(SR_INFO, [])
      expect((await metadata.read()).sr).toEqual(SR_INFO)
    }
  })
})

type Call = ReturnType<typeof oneCall>
