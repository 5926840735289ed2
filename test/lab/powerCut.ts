import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectConsistent, type Content } from '../crash/harness.ts'
import { MIB, type Disk } from '../support/World.ts'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { createRemoteWorld, type AnyWorld } from './RemoteWorld.ts'

/** What is cut off from its power. */
export interface PowerCutOptions {
  readonly type: 'ext' | 'lvhd'
  readonly smConfig?: Readonly<Record<string, string>>
  /** Size of the disk, MiB. */
  readonly diskMib: number
  /** MiB that a resize asks for. */
  readonly grownMib: number
  /** Bytes at the start of the disk whose writes a volatile cache never loses. */
  readonly keepBelow: number
}

/** Moments of each operation that are tried, besides the one right after it; `SM_CRASH_ALL` takes them all. */
const SAMPLE = 4
const TAKES_ALL = process.env['SM_CRASH_ALL'] !== undefined
const TIMEOUT_MS = TAKES_ALL ? 7_200_000 : 900_000
const RECORDER = '"$LAB_node" /project/dist/lab-recorder.cjs'
const IMAGE = '/tmp/power-cut.img'
const BASE = '/tmp/power-cut.base'
const LOG = '/tmp/power-cut.log'
const CUT = '/tmp/power-cut.cut'

/** Cuts the power of the disk below an SR at moments of several operations, attaches it again and looks at its disks. */
export function describePowerCuts({ type, smConfig = {}, diskMib, grownMib, keepBelow }: PowerCutOptions): void {
  describeLab(`a power cut on a disk with a volatile cache, ${type}`, () => {
    let guest: Guest
    let world: AnyWorld
    let disk: Disk
    let snapshot: Disk
    let contents: ReadonlyMap<string, Content>
    beforeAll(async () => {
      guest = await sharedGuest()
      const make = `lvm_setup; modules loop; truncate -s ${diskMib}M ${IMAGE}; losetup --find --show ${IMAGE}`
      const device = (await guest.run(make)).trim()
      world = await createRemoteWorld(guest, { type, smConfig, deviceConfig: { device } })
      disk = await world.createVdi('disk', 4)
      await world.write(disk, 1, 0, 2)
      snapshot = await world.snapshot(disk)
      await world.write(disk, 2, 1, 2)
      await world.scan()
      contents = new Map([
        [disk.uuid, await world.content(disk.uuid)],
        [snapshot.uuid, await world.content(snapshot.uuid)],
      ])
      await world.call('PBD.unplug', await world.pbd())
      await world.stop()
      await guest.run(`losetup --detach ${device}; cp --sparse=always ${IMAGE} ${BASE}; cp -a ${database()} ${BASE}.db`)
      await world.start()
    })
    afterAll(async () => {
      await world.close()
      await guest.run(`rm -rf ${BASE}.db ${IMAGE} ${BASE} ${LOG} ${CUT}`)
    })

    const database = () => `${world.root}/sm/var/lib/sm`
    const plug = async () => {
      await world.call('PBD.plug', await world.pbd())
    }
    const unplug = async () => {
      await world.call('PBD.unplug', await world.pbd())
    }
    const events = async () => Number(await guest.run(`${RECORDER} count ${LOG}`))

    /** Database and disk as they were before any operation. */
    async function rewind(): Promise<void> {
      await world.stop()
      await guest.run(
        `rm -rf ${database()}; cp -a ${BASE}.db ${database()}; cp --sparse=always ${BASE} ${IMAGE}; rm -f ${LOG}`,
      )
      await world.start()
    }

    /** Runs the operation on a recorded disk: the numbers of events before and after it, and the contents then. */
    async function record(act: () => Promise<unknown>) {
      await rewind()
      await guest.run(`recorded_disk 0 ${IMAGE} ${LOG}`)
      await plug()
      const before = await events()
      await act()
      const after = await events()
      const done = new Map<string, Content>()
      for (const uuid of contents.keys()) done.set(uuid, await world.content(uuid))
      await unplug()
      await guest.run('drop_recorded 0')
      return { before, after, done }
    }

    /** The SR after a power cut, attached again with the database of before: what its disks hold. */
    async function afterCut(events: number, seed: number | undefined, where: string): Promise<Map<string, Content>> {
      await rewindDatabase()
      const lost = seed === undefined ? '' : `${seed} ${keepBelow}`
      const rebuild = `${RECORDER} rebuild ${LOG} ${BASE} ${CUT} ${events} ${lost}`
      const device = (await guest.run(`${rebuild}; losetup --find --show ${CUT}`)).trim()
      try {
        await plug()
        const found = new Map<string, Content>()
        for (const uuid of contents.keys()) found.set(uuid, await world.content(uuid))
        await expectConsistent(world, where)
        await unplug()
        return found
      } finally {
        await guest.run(`losetup --detach ${device}`)
      }
    }

    async function rewindDatabase(): Promise<void> {
      await world.stop()
      await guest.run(`rm -rf ${database()}; cp -a ${BASE}.db ${database()}`)
      await world.start()
    }

    test.each([
      ['a revert', () => world.revert(snapshot)],
      ['a snapshot', () => world.snapshot(disk)],
      ['a clone', () => world.clone(snapshot)],
      ['a resize', () => world.call('VDI.resize', disk.ref, String(grownMib * MIB))],
    ])('%s leaves each disk whole, as it was or as it should become', { timeout: TIMEOUT_MS }, async (_what, act) => {
      const { before, after, done } = await record(act)
      // A disk in a volume that is large enough grows by its two footers.
      expect(after - before).toBeGreaterThan(1)
      for (const [index, cut] of cutsBetween(before, after).entries()) {
        // Every other time the disk has lost some of what it had not flushed.
        const seed = index % 2 === 0 ? cut : undefined
        const where = `after event ${cut} of ${before} to ${after}${seed === undefined ? '' : ', cache lost'}`
        for (const [uuid, content] of await afterCut(cut, seed, where)) {
          expect([contents.get(uuid), done.get(uuid)], `${where}, disk ${uuid}`).toContainEqual(content)
        }
      }
      for (const seed of [undefined, 1]) {
        expect(await afterCut(after, seed, 'after the operation'), 'what was answered is durable').toEqual(done)
      }
    })
  })
}

function cutsBetween(before: number, after: number): number[] {
  const all = Array.from({ length: after - before }, (_value, index) => before + index)
  if (TAKES_ALL) return all
  return Array.from(
    { length: SAMPLE },
    (_value, index) => all[Math.floor(((index + 0.5) * all.length) / SAMPLE)] ?? before,
  )
}
