import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileSR } from '../../../drivers/FileSR.ts'
import { Effects } from '../../../lib/os/effects.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { runInProcess } from '../../support/inProcess.ts'
import { World, type Disk } from '../../support/World.ts'

/** As on EXTSR and NFSSR, whose disks may start afresh at each boot. */
class ResettingSR extends FileSR {
  override readonly hasOwnFileSystem = true
}

let world: World
beforeAll(async () => {
  world = await World.create()
})
afterAll(async () => {
  await world.close()
})

/** The effects of a start of a VM whose disk is to be reset, in order. */
async function begin(disk: Disk, vdi_on_boot = 'reset'): Promise<string[]> {
  const effects: string[] = []
  const system = makeSystem(new Effects('', (_index, _kind, detail) => effects.push(detail)))
  await runInProcess(
    world,
    { command: 'vdi_epoch_begin', vdi: disk, members: { vdi_on_boot }, driver: ResettingSR },
    system,
  )
  return effects
}

describe('a disk that starts afresh at each boot', () => {
  test('has the content of its parent again, and is only touched under the SR lock', async () => {
    const disk = await world.createVdi('disk', 8)
    await world.write(disk, 1, 0, 3)
    const snapshot = await world.snapshot(disk)
    const before = await world.content(disk.uuid)
    await world.write(disk, 2, 1, 5)

    const effects = await begin(disk)
    expect(await world.content(disk.uuid)).toEqual(before)
    expect(await world.content(snapshot.uuid)).toEqual(before)

    const held = effects
      .map((_, index) => effects.slice(0, index + 1))
      .map(
        past =>
          past.filter(text => /^lock .*\/sr$/.test(text)).length >
          past.filter(text => /^unlock .*\/sr$/.test(text)).length,
      )
    const writes = effects.flatMap((text, index) => (text.startsWith('write ') ? [held[index]] : []))
    expect(writes.length).toBeGreaterThan(0)
    expect(writes).not.toContain(false)
  })

  test('is left alone where it has no parent, and where it is to persist', async () => {
    const disk = await world.createVdi('lone', 8)
    await world.write(disk, 3, 0, 2)
    const content = await world.content(disk.uuid)
    await expect(begin(disk)).rejects.toMatchObject({ code: 46 })
    expect((await begin(disk, 'persist')).filter(text => text.startsWith('write '))).toEqual([])
    expect(await world.content(disk.uuid)).toEqual(content)
  })
})

test('FileSR itself does not offer that', async () => {
  const disk = await world.createVdi('plain', 8)
  expect(await world.fault('vdi_epoch_begin', disk, { vdi_on_boot: 'reset' })).toMatchObject({ code: 38 })
})
