import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { vhdVolume } from '../../../lib/lvhd/names.ts'
import { correctTargetRecord } from '../../../drivers/revert/records.ts'
import type { VdiRecord } from '../../../lib/xapi/SmXapi.ts'
import { XapiError } from '../../../lib/xapi/XapiClient.ts'
import { effectsOf, outcomeOf, type Content, type Effect } from '../../crash/harness.ts'
import { MIB, type Disk } from '../../support/World.ts'
import type { LvmWorld } from '../../support/LvmWorld.ts'
import { openBox } from '../../support/lvhdBox.ts'

const LONG = 300_000
const FULL = 24 * MIB

let world: LvmWorld
let disk: Disk
let snapshot: Disk
let wanted: Content

beforeEach(async () => {
  world = (await openBox({ allocation: 'thick' })).world
  disk = await world.createVdi('disk', 16)
  await world.write(disk, 1, 0, 2)
  snapshot = await world.snapshot(disk)
  wanted = await world.content(snapshot.uuid)
  await world.write(disk, 2, 1, 2)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
})

const sizeOf = async ({ uuid }: Disk) => (await world.volumes()).get(vhdVolume(uuid))?.size
const journals = async () => [...(await world.volumes()).keys()].filter(name => /^(clone|inflate|tmp)_/.test(name))

/** What a revert from the state as it is now does from its commit on, the removal of the old volume, to that of its journal. */
async function effectsAfterCommit(target: Disk, from: Disk): Promise<Effect[]> {
  await world.save()
  const act = () => world.revert(from)
  const effects = await effectsOf({ world, act, allowed: new Map(), disks: [0, 0] }, /^lock /)
  const removed = effects.findIndex(({ what }) => /lvremove .*\/(VHD|LV)-/.test(what))
  expect(removed, `where the old volume of ${target.uuid} goes`).toBeGreaterThan(0)
  const settled = effects.findIndex(({ what }) => /lvremove .*\/clone_/.test(what))
  expect(settled, `where the journal of ${target.uuid} goes`).toBeGreaterThan(removed)
  return effects.slice(removed + 1, settled + 1)
}

describe('a revert that is committed, whichever of its further steps fails', () => {
  test('succeeds, and leaves a disk that can be opened and written to', { timeout: LONG }, async () => {
    const { free } = await world.group.report()
    // Too little for the new volume to have its full size beside the old one.
    await world.group.create('filler', free - 16 * MIB)
    const effects = await effectsAfterCommit(disk, snapshot)
    expect(effects.filter(({ what }) => what.includes('lvresize'))).toHaveLength(1)
    for (const { index, what } of effects) {
      const where = `EIO at ${what}`
      await world.restore(`effect:${index}=EIO`)
      expect(await outcomeOf(() => world.revert(snapshot)), where).toBeUndefined()
      await world.start()
      expect(await world.content(disk.uuid), where).toEqual(wanted)
      expect(await journals(), where).toEqual([])
      expect((await world.record(disk)).sm_config, where).not.toHaveProperty('paused')
      await world.write(disk, 3, 2, 1)
      expect(await sizeOf(disk), where).toBe(FULL)
    }
  })

  test('says of a disk that was raw what a revert that is not disturbed says', { timeout: LONG }, async () => {
    const raw = await rawDisk()
    const from = await world.declareSnapshot(snapshot, raw)
    const effects = await effectsAfterCommit(raw, from)
    await world.restore()
    await world.revert(from)
    const undisturbed = await sayings(raw)
    expect(undisturbed).toMatchObject({
      entry: 'vhd',
      sm_config: { vdi_type: 'vhd' },
      other_config: { content_id: 'new' },
    })
    for (const { index, what } of effects) {
      const where = `EIO at ${what}`
      await world.restore(`effect:${index}=EIO`)
      expect(await outcomeOf(() => world.revert(from)), where).toBeUndefined()
      await world.start()
      expect(await world.content(raw.uuid), where).toEqual(wanted)
      expect(await sayings(raw), where).toEqual(undisturbed)
      expect(await journals(), where).toEqual([])
    }
  })

  test('says first of all that a raw disk is a VHD now, by which alone it is found', async () => {
    const raw = await rawDisk()
    const from = await world.declareSnapshot(snapshot, raw)
    const { free } = await world.group.report()
    await world.group.create('filler', free - 24 * MIB)
    const effects = (await effectsAfterCommit(raw, from)).map(({ what }) => what)
    const first = effects.findIndex(what => what.startsWith('xapi VDI.add_to_sm_config'))
    expect(first).toBeGreaterThan(-1)
    expect(effects.findIndex(what => what.includes('lvresize'))).toBeGreaterThan(first)
  })

  /** A raw disk that may become a VHD, with a record in which a revert has everything to change. */
  async function rawDisk(): Promise<Disk> {
    const raw = await world.createVdi('raw', 8, { type: 'raw' })
    await world.call('VDI.remove_from_sm_config', raw.ref, 'type')
    for (const key of ['vhd-blocks', 'relinking', 'key_hash'])
      await world.call('VDI.add_to_sm_config', raw.ref, key, 'old')
    await nameContent(raw, 'old')
    await nameContent(snapshot, 'new')
    return raw
  }
})

async function nameContent({ ref }: Disk, identity: string): Promise<void> {
  await world.call('VDI.remove_from_other_config', ref, 'content_id')
  await world.call('VDI.add_to_other_config', ref, 'content_id', identity)
}

/** What the record and the metadata volume say of a disk's image. */
async function sayings(vdi: Disk): Promise<object> {
  const { virtual_size, physical_utilisation, sm_config, other_config } = await world.record(vdi)
  const entry = (await world.metadata()).get(vdi.uuid)?.vdiType
  return { virtual_size, physical_utilisation, sm_config, other_config, entry }
}

describe('what a record says of a reverted disk', () => {
  const PARENT = crypto.randomUUID()
  const IMAGE = { virtualSize: 32 * MIB, physicalUtilisation: 28 * MIB, parent: PARENT, isEmpty: true }
  /** Whether each of these calls has had its effect. */
  const effectsOn = ({ virtual_size, physical_utilisation, sm_config, other_config }: VdiRecord) => ({
    vdiSetVirtualSize: virtual_size === IMAGE.virtualSize,
    vdiSetPhysicalUtilisation: physical_utilisation === IMAGE.physicalUtilisation,
    vdiAddToSmConfig: sm_config['vhd-parent'] === PARENT,
    vdiRemoveFromSmConfig: !('vhd-blocks' in sm_config),
    vdiAddToOtherConfig: other_config['content_id'] === 'new',
  })

  test.each([
    'vdiSetVirtualSize',
    'vdiSetPhysicalUtilisation',
    'vdiAddToSmConfig',
    'vdiRemoveFromSmConfig',
    'vdiAddToOtherConfig',
  ] as const)('is corrected as far as xapi lets it, which refuses %s', async refused => {
    await nameContent(disk, 'old')
    await nameContent(snapshot, 'new')
    await world.call('VDI.remove_from_sm_config', disk.ref, 'vhd-parent')
    await world.call('VDI.add_to_sm_config', disk.ref, 'vhd-blocks', 'old')
    const disks = { snapshot: snapshot.uuid, target: disk.uuid }
    await world.withSr('vdi_update', disk, async ({ context: { xapi } }) => {
      vi.spyOn(xapi, refused).mockRejectedValue(new XapiError('INTERNAL_ERROR', [refused]))
      const corrected = correctTargetRecord(xapi, disks, IMAGE, { quiesced: true })
      await expect(corrected).rejects.toMatchObject({ errorName: 'VDISnapshot' })
    })
    const outcome = Object.entries(effectsOn(await world.record(disk)))
    expect(outcome.filter(([, isDone]) => !isDone)).toEqual([[refused, false]])
  })
})
