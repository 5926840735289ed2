import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectConsistent } from '../crash/harness.ts'
import type { AnyWorld } from '../lab/RemoteWorld.ts'
import { MIB, type Disk } from '../support/World.ts'

/** In what the families of SR types differ for their users. */
export interface Family {
  /** MiB that a raw disk of 3 MiB has. */
  readonly rawMib: number
  /** What a scan answers where an image is broken. */
  readonly brokenScan: string
  /** What vdi_update answers while the SR is detached; undefined where it works. */
  readonly detachedUpdate: number | undefined
  /** What a revert answers on a host that is not the SR's master. */
  readonly revertOnSlave: number
  /** Crash points of a revert, whether it is committed there, and whether it is one to a snapshot with data of its own. */
  readonly points: readonly (readonly [point: string, committed: boolean, isWritten: boolean])[]
  /** Whether a disk can be read before what was interrupted is settled. */
  readonly readsInterrupted: boolean
  /** How opening a disk is refused while its revert is to be settled: of both disks, or of the one whose image is moved. */
  readonly refusal: {
    readonly command: string
    readonly code: number
    readonly message: string
    readonly ofBoth: boolean
  }
}

export const fileFamily: Family = {
  rawMib: 3,
  brokenScan: 'SR_BACKEND_FAILURE_40',
  detachedUpdate: 47,
  revertOnSlave: 202,
  points: [
    ['FileSR_revert_create_insert', false, true],
    ['FileSR_revert_create_src', false, true],
    ['FileSR_revert_create_dest', false, false],
    ['FileSR_revert_before_commit', false, false],
    ['FileSR_revert_after_commit', true, false],
  ],
  readsInterrupted: true,
  refusal: { command: 'vdi_attach', code: 47, message: 'Critical journals are pending', ofBoth: true },
}

export const lvhdFamily: Family = {
  rawMib: 4,
  brokenScan: 'SR_BACKEND_FAILURE_46',
  detachedUpdate: undefined,
  revertOnSlave: 58,
  points: [
    ['LVM_revert_create_insert', false, true],
    ['LVM_revert_create_src', false, true],
    ['LVM_revert_create_dest', false, false],
    ['LVM_revert_before_commit', false, false],
    ['LVM_revert_after_commit', true, false],
  ],
  readsInterrupted: false,
  refusal: { command: 'vdi_activate', code: 46, message: 'Interrupted operation detected', ofBoth: false },
}

/**
 * What every SR type does, whatever the storage. `open` makes an SR that is attached and empty; it is closed afterwards.
 */
export function describeContract(open: () => Promise<AnyWorld>, family: Family = fileFamily): void {
  let world: AnyWorld
  beforeAll(async () => {
    world = await open()
  })
  afterAll(async () => {
    await world.close()
  })

  describe('the life of a disk', () => {
    test('it is created, grows, is copied, and goes', async () => {
      const disk = await world.createVdi('disk', 3)
      expect(await world.record(disk)).toMatchObject({ virtual_size: 4 * MIB, managed: true, read_only: false })
      await world.write(disk, 1, 1, 1)
      const before = await world.content(disk.uuid)
      await world.call('VDI.resize', disk.ref, String(6 * MIB))
      expect((await world.record(disk)).virtual_size).toBe(6 * MIB)
      const grown = await world.content(disk.uuid)
      expect(grown).not.toEqual(before)
      const clone = await world.clone(disk)
      await world.write(clone, 2, 0, 1)
      expect(await world.content(disk.uuid)).toEqual(grown)
      for (const { ref } of [disk, clone]) await world.call('VDI.destroy', ref)
      await world.scan()
      await expectConsistent(world, 'after the disks are gone')
    })

    test('raw disks have the size that was asked for', async () => {
      const raw = await world.createVdi('raw', 3, { type: 'raw' })
      expect(await world.record(raw)).toMatchObject({ virtual_size: family.rawMib * MIB, sm_config: { type: 'raw' } })
      expect(await world.names()).toContain(`${raw.uuid}.raw`)
      expect((await world.fault('vdi_clone', raw)).code).toBe(38)
      await world.call('VDI.destroy', raw.ref)
      expect(await world.names()).not.toContain(`${raw.uuid}.raw`)
    })

    test('it is still there after the SR was detached and attached', async () => {
      const disk = await world.createVdi('kept', 2)
      await world.write(disk, 5, 0, 1)
      const content = await world.content(disk.uuid)
      const pbd = await world.pbd()
      await world.call('PBD.unplug', pbd)
      if (family.detachedUpdate !== undefined) {
        expect((await world.fault('vdi_update', disk)).code).toBe(family.detachedUpdate)
      }
      await world.call('PBD.plug', pbd)
      expect(await world.content(disk.uuid)).toEqual(content)
      await world.call('VDI.destroy', disk.ref)
    })
  })

  describe('errors', () => {
    let disk: Disk
    beforeAll(async () => {
      disk = await world.createVdi('disk', 4)
    })
    afterAll(async () => {
      await world.call('VDI.destroy', disk.ref)
    })

    test.each([
      ['vdi_resize beyond the format', 'vdi_resize', ['2199023255552000'], 79],
      ['vdi_resize to less', 'vdi_resize', ['2097152'], 79],
      ['vdi_resize to less than nothing', 'vdi_resize', ['-1'], 79],
      ['vdi_resize_online', 'vdi_resize_online', ['8388608'], 38],
      ['vdi_revert without a target', 'vdi_revert', [], 1],
      ['vdi_revert to nothing', 'vdi_revert', ['OpaqueRef:NULL'], 1],
      ['vdi_enable_cbt', 'vdi_enable_cbt', [], 38],
    ])('%s', async (_what, command, args, code) => {
      expect((await world.fault(command, disk, { args })).code).toBe(code)
    })

    test.each([
      ['-1', {}],
      ['2190433320961', {}],
      ['99999999999999999999', {}],
      ['-1', { type: 'raw' }],
      ['99999999999999999999', { type: 'raw' }],
    ])('vdi_create of %s bytes %o makes nothing (79)', async (size, vdi_sm_config) => {
      const before = [await world.names(), await world.records()]
      expect((await world.fault('vdi_create', undefined, { args: [size], vdi_sm_config })).code).toBe(79)
      expect([await world.names(), await world.records()]).toEqual(before)
    })

    test('vdi_create with the uuid of a record that is there leaves that as it is', async () => {
      const lost = await world.createVdi('lost', 2)
      await world.putFile(`${lost.uuid}.vhd`, undefined)
      const before = await world.names()
      const record = await world.record(lost)
      const { message } = await world.fault('vdi_create', undefined, { args: ['2097152'], vdi_uuid: lost.uuid })
      expect(message).toContain('LOCATION_NOT_UNIQUE')
      expect(await world.record(lost)).toEqual(record)
      expect(await world.names()).toEqual(before)
      await world.scan()
    })

    test('a scan with a broken image forgets nothing', async () => {
      await world.putFile('11111111-1111-4111-8111-111111111111.vhd', 'no image')
      const before = await world.records()
      expect(await world.failure('SR.scan', world.srRef)).toContain(family.brokenScan)
      expect(await world.records()).toEqual(before)
      await world.putFile('11111111-1111-4111-8111-111111111111.vhd', undefined)
      await world.scan()
    })

    test('an SR with disks is not deleted (39)', async () => {
      const pbd = await world.pbd()
      await world.call('PBD.unplug', pbd)
      expect(await world.failure('SR.destroy', world.srRef)).toContain('SR_NOT_EMPTY')
      await world.call('PBD.plug', pbd)
      expect(await world.names()).toContain(`${disk.uuid}.vhd`)
    })
  })

  describeReverts(() => world, family)
}

function describeReverts(current: () => AnyWorld, family: Family): void {
  describe('reverting in place', () => {
    test('walks the tree s1 → s2, s1 → s3 by 1, 2, 3, 1, 1', async () => {
      const world = current()
      const disk = await world.createVdi('tree', 6)
      const states: { snapshot: Disk; content: { sha256: string; size: number } }[] = []
      const take = async (seed: number) => {
        await world.write(disk, seed, seed, 1)
        states.push({ content: await world.content(disk.uuid), snapshot: await world.snapshot(disk) })
      }
      const goTo = async (index: number) => {
        const state = states[index]
        if (state === undefined) throw new Error(`no state ${index}`)
        await world.revert(state.snapshot)
        expect(await world.content(disk.uuid), `state ${index}`).toEqual(state.content)
      }
      await take(1)
      await take(2)
      await goTo(0)
      await take(3)
      for (const index of [0, 1, 2, 0, 0]) await goTo(index)
      for (const { snapshot, content } of states) expect(await world.content(snapshot.uuid)).toEqual(content)
      await world.scan()
      await expectConsistent(world, 'after the walk')
    })

    test('takes the size of the snapshot, smaller or larger', async () => {
      const world = current()
      const disk = await world.createVdi('sizes', 2)
      await world.write(disk, 1, 0, 1)
      const [small, smallContent] = [await world.snapshot(disk), await world.content(disk.uuid)]
      await world.call('VDI.resize', disk.ref, String(6 * MIB))
      await world.write(disk, 2, 4, 1)
      const [large, largeContent] = [await world.snapshot(disk), await world.content(disk.uuid)]
      for (const [snapshot, content] of [
        [small, smallContent],
        [large, largeContent],
      ] as const) {
        await world.revert(snapshot)
        expect(await world.content(disk.uuid)).toEqual(content)
        expect((await world.record(disk)).virtual_size).toBe(content.size)
      }
    })

    test('to a snapshot with data of its own makes a base that both share', async () => {
      const world = current()
      const disk = await world.createVdi('disk', 4)
      await world.write(disk, 1, 0, 1)
      const snapshot = await world.snapshot(disk)
      await world.write(disk, 2, 1, 1)
      await world.write(snapshot, 3, 2, 1)
      const wanted = await world.content(snapshot.uuid)
      await world.revert(snapshot)
      expect(await world.content(disk.uuid)).toEqual(wanted)
      expect(await world.content(snapshot.uuid)).toEqual(wanted)
      expect((await world.record(disk)).sm_config['vhd-parent']).toBe(
        (await world.record(snapshot)).sm_config['vhd-parent'],
      )
    })

    test('beside a reader of the snapshot leaves it its attachment', async () => {
      const world = current()
      const disk = await world.createVdi('disk', 2)
      await world.write(disk, 1, 0, 1)
      const [snapshot, wanted] = [await world.snapshot(disk), await world.content(disk.uuid)]
      await world.write(disk, 2, 0, 1)
      const reader = `host_${await world.host()}`
      await world.call('VDI.add_to_sm_config', snapshot.ref, reader, 'RO')
      await world.revert(snapshot)
      expect(await world.content(disk.uuid)).toEqual(wanted)
      expect((await world.record(snapshot)).sm_config).toMatchObject({ [reader]: 'RO' })
      await world.call('VDI.remove_from_sm_config', snapshot.ref, reader)
    })

    test.each(family.points)(
      'killed at %s: refused elsewhere until a scan on the master',
      async (point, committed, isWritten) => {
        const world = current()
        const disk = await world.createVdi('disk', 4)
        await world.write(disk, 1, 0, 1)
        const snapshot = await world.snapshot(disk)
        if (isWritten) await world.write(snapshot, 3, 2, 1)
        const wanted = await world.content(snapshot.uuid)
        await world.write(disk, 2, 0, 2)
        const old = await world.content(disk.uuid)
        await world.start(point)
        expect(await world.failure('VDI.revert', snapshot.ref)).toContain('received signal: SIGKILL')
        await world.start()
        const { refusal, readsInterrupted } = family
        if (readsInterrupted) expect(await world.content(disk.uuid)).toEqual(committed ? wanted : old)
        for (const vdi of refusal.ofBoth ? [disk, snapshot] : [isWritten ? snapshot : disk]) {
          const fault = await world.fault(refusal.command, vdi, { args: ['true'] }, { SRmaster: 'false' })
          expect(fault).toMatchObject({ code: refusal.code })
          expect(fault.message).toContain(refusal.message)
        }
        await world.scan()
        expect(await world.content(disk.uuid)).toEqual(committed ? wanted : old)
        await expectConsistent(world, point)
        await world.revert(snapshot)
        expect(await world.content(disk.uuid)).toEqual(wanted)
      },
    )

    test('is for the master alone', async () => {
      const world = current()
      const disk = await world.createVdi('disk', 2)
      const snapshot = await world.snapshot(disk)
      const fault = await world.fault('vdi_revert', snapshot, { args: [disk.ref] }, { SRmaster: 'false' })
      expect(fault.code).toBe(family.revertOnSlave)
    })
  })
}
