import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AnyWorld } from '../lab/RemoteWorld.ts'
import { MIB, type Disk } from '../support/World.ts'

/** An LVHD SR, and the programs that its plugin has run since the last time. */
export interface CountedSr {
  readonly world: AnyWorld
  readonly takePrograms: () => Promise<readonly string[]>
}

/**
 * Programs that the driver runs for a command, in order: they are what it costs. `lvm` is a report. The collector and the
 * data path are not here.
 */
export function describeCost(open: () => Promise<CountedSr>, allocation: 'thick' | 'thin'): void {
  let sr: CountedSr
  let world: AnyWorld
  let disk: Disk
  beforeEach(async () => {
    sr = await open()
    world = sr.world
    disk = await world.createVdi('disk', 8)
    await world.write(disk, 1, 0, 2)
  })
  afterEach(async () => {
    await world.close()
  })

  const programsOf = async (act: () => Promise<unknown>): Promise<string> => {
    await sr.takePrograms()
    await act()
    return (await sr.takePrograms()).join(' ')
  }

  test('of creating, copying, growing, scanning and deleting a disk', async () => {
    // One report, the volume, its name, its deactivation.
    expect(await programsOf(() => world.createVdi('more', 8))).toBe('lvm lvcreate lvrename lvchange')
    const deflate = allocation === 'thick' ? 'lvresize ' : ''
    const branch = `lvm lvchange lvcreate lvrename lvrename ${deflate}lvcreate lvcreate lvchange lvm lvremove lvchange lvm`
    expect(await programsOf(() => world.snapshot(disk))).toBe(branch)
    expect(await programsOf(() => world.call('VDI.resize', disk.ref, String(16 * MIB)))).toBe(
      allocation === 'thick' ? 'lvm lvchange lvcreate lvresize lvremove lvchange' : 'lvm lvchange lvchange',
    )
    await world.scan()
    expect(await programsOf(() => world.plugin('sr_scan', undefined))).toBe('lvm')
    expect(await programsOf(() => world.call('VDI.destroy', disk.ref))).toBe('lvm lvremove')
  })

  test('of a revert: two reports, the chain, the journal, four changes of names and volumes, and the end', async () => {
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 2)
    expect(await programsOf(() => world.revert(snapshot))).toBe(
      'lvm lvm lvchange lvcreate lvrename lvrename lvcreate lvrename lvremove lvremove lvchange',
    )
  })
}
