import { chmod, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectConsistent } from '../../crash/harness.ts'
import { MIB, projectRoot, World } from '../../support/World.ts'

const PROGRAM = path.join(projectRoot, 'bin/vhd-util')

describe('FileSR with our vhd-util as its VHD tool', () => {
  let world: World
  let calls: string

  /** The program itself, noting each call: the test knows then that it did the work. */
  beforeAll(async () => {
    world = await World.create()
    calls = path.join(world.root, 'calls')
    const program = path.join(world.root, 'vhd-util')
    await writeFile(program, `#!/bin/sh\necho "$1" >> '${calls}'\nexec '${PROGRAM}' "$@"\n`)
    await chmod(program, 0o755)
    world.pluginEnv['SM_VHD_UTIL'] = program
    await world.start()
  })

  afterAll(async () => {
    await world.close()
  })

  it('creates, snapshots, clones, resizes, reverts, scans and deletes', async () => {
    const disk = await world.createVdi('disk', 8)
    await world.write(disk, 1, 0, 3)
    const old = await world.content(disk.uuid)
    const snapshot = await world.snapshot(disk)
    await world.write(disk, 2, 1, 6)
    const clone = await world.clone(disk)
    const newer = await world.content(disk.uuid)
    expect(await world.content(clone.uuid)).toEqual(newer)

    await world.call('VDI.resize', disk.ref, String(600 * MIB))
    expect((await world.content(disk.uuid)).size).toBe(600 * MIB)

    await world.revert(snapshot)
    expect(await world.content(disk.uuid)).toEqual(old)
    expect(await world.content(snapshot.uuid)).toEqual(old)
    expect((await world.record(disk)).virtual_size).toBe(old.size)

    await world.scan()
    await expectConsistent(world, 'after the life cycle')
    for (const gone of [clone, snapshot]) await world.call('VDI.destroy', gone.ref)
    await world.scan()
    expect([...(await world.records()).values()].filter(({ managed }) => managed).map(({ uuid }) => uuid)).toEqual([
      disk.uuid,
    ])
    expect(await world.content(disk.uuid)).toEqual(old)
    const used = new Set((await readFile(calls, 'utf8')).trimEnd().split('\n'))
    for (const command of ['create', 'snapshot', 'query', 'set', 'resize', 'scan']) expect(used).toContain(command)
  })
})
