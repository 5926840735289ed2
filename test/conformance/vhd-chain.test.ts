import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { makeSystem } from '../../lib/os/system.ts'
import type { DiskImage } from '../../lib/vhd/DiskImage.ts'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import { VhdChain } from '../../lib/vhd/VhdChain.ts'
import { type GoldenCase, goldenCases, unpack } from './vhdGolden.ts'

const CHUNK = 4 * 1024 * 1024 + 512
const system = makeSystem()
const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true })
})

function unpacked(golden: GoldenCase): string {
  const directory = unpack(golden)
  directories.push(directory)
  return directory
}

async function guestHash(image: DiskImage): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < image.virtualSize; at += CHUNK) {
    hash.update(await image.read(at, Math.min(CHUNK, image.virtualSize - at)))
  }
  return hash.digest('hex')
}

async function hashThroughChain(file: string, boundary: string): Promise<string> {
  const chain = await VhdChain.open(system.files, file, { boundary })
  return guestHash(chain).finally(() => chain.close())
}

const images = goldenCases()
  .filter(({ blockDevice }) => blockDevice === undefined)
  .flatMap(golden =>
    Object.entries(golden.images).map(([file, image]) => ({ golden, file, image, title: `${golden.name}/${file}` })),
  )
  .filter(({ image }) => image.cookie !== 'v_poison')

/** The reference's reader trusts no batmap and compares no parent uuid; ours does, so these two read otherwise or not at all. */
const OTHERWISE = new Set(['corrupt-bat-overlap/d.vhd', 'wrong-parent-uuid/leaf.vhd'])
const readable = images.filter(({ image, title }) => image.guestSha256 !== undefined && !OTHERWISE.has(title))

describe('reading recorded disks through their chain', () => {
  it.each(readable)('gives the content of $title', async item => {
    const directory = unpacked(item.golden)
    expect(await hashThroughChain(path.join(directory, item.file), directory)).toBe(item.image.guestSha256)
  })

  it.each(images.filter(({ image }) => image.guestReadError === true))('fails for $title', async item => {
    const directory = unpacked(item.golden)
    const read = hashThroughChain(path.join(directory, item.file), directory)
    await expect(read).rejects.toMatchObject({ name: 'VhdError' })
  })
})

describe('a file that is not the parent the child means', () => {
  it('is refused', async () => {
    const [golden] = goldenCases().filter(({ name }) => name === 'wrong-parent-uuid')
    if (golden === undefined) throw new Error('the recorded case is missing')
    const directory = unpacked(golden)
    await expect(hashThroughChain(path.join(directory, 'leaf.vhd'), directory)).rejects.toMatchObject({
      code: 'EINVAL',
    })
  })
})

describe('after a revert of an interrupted resize', () => {
  const reverts = goldenCases().flatMap(golden =>
    golden.revert === undefined ? [] : [{ golden, revert: golden.revert }],
  )

  it.each(reverts)('the guest of $golden.name reads what it wrote', async ({ golden, revert }) => {
    const directory = unpacked(golden)
    const disk = path.join(directory, 'd.vhd')
    await new EmbeddedVhdUtil(system).revertResize(disk, path.join(directory, 'jrn'))
    expect(await hashThroughChain(disk, directory)).toBe(revert.guestSha256After)
  })
})
