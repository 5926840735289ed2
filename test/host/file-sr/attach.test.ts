import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { lstat, mkdir, mkdtemp, readlink, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Effects, errnoError } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { makeRunProgram, type RunProgram } from '../../../lib/toolstack/storage/Executor.ts'
import { runInProcess } from '../../support/inProcess.ts'
import { World, type Disk } from '../../support/World.ts'

let world: World
afterEach(async () => {
  await world.close()
})

const mountPoint = () => world.paths.srMount(world.srUuid)
const isThere = (name: string) =>
  lstat(name).then(
    () => true,
    () => false,
  )

describe('an SR in a directory', () => {
  beforeEach(async () => {
    world = await World.create()
  })

  test('whose mode cannot be set is not left mounted, so that the next attach tries again', async () => {
    class NotOurs extends Files {
      override changeMode(name: string, mode: number): Promise<void> {
        const isAttached = name === mountPoint() && statSync(name).ino === statSync(world.location).ino
        return isAttached ? Promise.reject(errnoError('EROFS', 'read-only')) : super.changeMode(name, mode)
      }
    }
    const disk = await world.createVdi('disk', 2)
    await world.call('PBD.unplug', await world.pbd())
    const system = makeSystem(new Effects(''))
    const attach = runInProcess(
      world,
      { command: 'sr_attach', vdi: disk },
      { ...system, files: new NotOurs(system.effects) },
    )
    await expect(attach).rejects.toMatchObject({ code: 61, detail: 'fail to mount FileSR. Errno is 30' })
    expect(await isThere(mountPoint())).toBe(false)
    await world.call('PBD.plug', await world.pbd())
    expect((await world.record(disk)).uuid).toBe(disk.uuid)
  })
})

describe('without the right to mount', () => {
  let scripts: string
  let disk: Disk
  beforeEach(async () => {
    scripts = await mkdtemp(path.join(tmpdir(), 'sm-scripts-'))
    world = await World.create({ runProgram: withoutMount(scripts) })
    disk = await world.createVdi('disk', 2)
  })
  afterEach(async () => {
    await rm(scripts, { recursive: true, force: true })
  })

  test('an SR is reached through a link, which goes with the detach', async () => {
    expect(await readlink(mountPoint())).toBe(world.location)
    await world.call('PBD.unplug', await world.pbd())
    expect(await isThere(mountPoint())).toBe(false)
    await world.call('PBD.plug', await world.pbd())
    expect((await world.record(disk)).managed).toBe(true)
  })

  test('a link that leads nowhere does not keep the SR from being attached at its new place', async () => {
    const moved = `${world.location}-moved`
    await rename(world.location, moved)
    const deviceConfig = { location: moved }
    expect(await world.plugin('sr_attach', undefined, {}, deviceConfig)).not.toContain('fault')
    expect(await readlink(mountPoint())).toBe(moved)
    await rm(mountPoint())
    await mkdir(world.location)
  })
})

/** Runs plugins as a user runs them who may not mount. */
function withoutMount(directory: string): RunProgram {
  const system = makeSystem(new Effects(''))
  const run = makeRunProgram(system.files, system.newUuid, directory)
  if (process.getuid?.() !== 0) return run
  return (program, argument, env) => {
    const script = path.join(directory, path.basename(program))
    const command = `setpriv --inh-caps=-sys_admin --bounding-set=-sys_admin -- ${JSON.stringify(program)} "$@"`
    writeFileSync(script, `#!/bin/sh\nexec ${command}\n`)
    chmodSync(script, 0o755)
    return run(script, argument, env)
  }
}
