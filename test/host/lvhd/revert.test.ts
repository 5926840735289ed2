import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LvmBox } from '../../support/LvmBox.ts'
import { LvmWorld } from '../../support/LvmWorld.ts'

let world: LvmWorld
beforeEach(async () => {
  const root = await fs.mkdtemp(path.join(tmpdir(), 'sm-lvm-'))
  const srUuid = crypto.randomUUID()
  await fs.mkdir(path.join(root, 'lvm'))
  const box = new LvmBox(path.join(root, 'lvm'), `VG_XenStorage-${srUuid}`, 100)
  world = await LvmWorld.on(box, { type: 'lvhd', deviceConfig: { device: '/dev/loop9' }, runProgram: box.runProgram, srUuid }, root)
})
afterEach(async () => {
  await world.close()
})

test('a disk is reverted', async () => {
  const disk = await world.createVdi('disk', 8)
  await world.write(disk, 1, 0, 2)
  const wanted = await world.content(disk.uuid)
  const snapshot = await world.snapshot(disk)
  await world.write(disk, 2, 1, 2)
  console.log([...(await world.volumes()).values()].map(v => `${v.name} ${v.size / 1048576} ${v.active} ${v.tags}`))
  await world.revert(snapshot)
  console.log([...(await world.volumes()).values()].map(v => `${v.name} ${v.size / 1048576} ${v.active} ${v.tags}`))
  expect(await world.content(disk.uuid)).toEqual(wanted)
})
