import * as fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import type { OpenFile } from '../../../lib/os/OpenFile.ts'
import { scanDirectory } from '../../../lib/vhd/scan.ts'
import { VhdError } from '../../../lib/vhd/VhdUtil.ts'
import { BLOCK, files, makeUtil, scratch } from './support.ts'

const COUNT = 60

/** A server that takes its time, and how many files were open there at once. */
class SlowFiles extends Files {
  mostOpen = 0
  #open = 0

  constructor() {
    super(new Effects(''))
  }

  override async openRegular(filePath: string, immediate?: boolean): Promise<OpenFile> {
    this.#open += 1
    this.mostOpen = Math.max(this.mostOpen, this.#open)
    await setTimeout(20)
    this.#open -= 1
    return super.openRegular(filePath, immediate)
  }
}

it('a scan gives one row per VHD in the order of the names, broken ones as errors', async () => {
  const directory = await fill()
  fs.writeFileSync(path.join(directory, '010.vhd'), 'no disk')
  fs.symlinkSync('011.vhd', path.join(directory, 'link.vhd'))
  fs.writeFileSync(path.join(directory, '.hidden.vhd'), '')
  fs.writeFileSync(path.join(directory, 'other.raw'), '')
  const rows = await scanDirectory(files, directory)
  expect(rows.map(({ name }) => name)).toEqual([...names(), 'link.vhd'])
  expect(rows[10]).toEqual({ name: '010.vhd', error: expect.any(VhdError) as VhdError })
  expect(rows[11]).toMatchObject({ virtualSize: BLOCK, parentName: '000.vhd', hidden: false })
  expect(rows[COUNT]).toMatchObject({ name: 'link.vhd', parentName: '000.vhd' })
})

it('a scan of a slow directory asks for many files at a time and tells the same', async () => {
  const directory = await fill()
  const slow = new SlowFiles()
  expect(await scanDirectory(slow, directory)).toEqual(await scanDirectory(files, directory))
  expect(slow.mostOpen).toBeGreaterThan(8)
  expect(slow.mostOpen).toBeLessThanOrEqual(32)
})

it('a scan of what is no directory fails with the reason', async () => {
  const directory = scratch()
  await expect(scanDirectory(files, path.join(directory, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
})

async function fill(): Promise<string> {
  const directory = scratch()
  const [root, first, ...others] = names()
  const util = makeUtil()
  await util.create(path.join(directory, root ?? ''), BLOCK)
  const child = path.join(directory, first ?? '')
  await util.snapshot(child, path.join(directory, root ?? ''), { exactParent: true })
  for (const name of others) fs.copyFileSync(child, path.join(directory, name))
  return directory
}

function names(): string[] {
  return Array.from({ length: COUNT }, (_, index) => `${String(index).padStart(3, '0')}.vhd`)
}
