import { open, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { openImage } from '../../lib/vhd/openImage.ts'
import { BLOCK, fillDisk, files, util } from './disks.ts'
import { compare, type Contestant, has, timeOf, timeOfProcess } from './measure.ts'

const SIZE = 512 * 1024 ** 2
const SMALL = 4096
const SMALL_WRITES = 4000
const ROUNDS = 5

/** Reads through a chain of three images, and writes to its leaf, against the same on a plain file. */
export async function benchChain(folder: string): Promise<void> {
  const [root, middle, leaf] = ['root.vhd', 'middle.vhd', 'leaf.vhd'].map(name => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  const plain = path.join(folder, 'plain')
  await util.create(root, SIZE)
  await fillDisk(root, SIZE)
  await util.snapshot(middle, root, { exactParent: true })
  await fillDisk(middle, SIZE / 2)
  await util.snapshot(leaf, middle, { exactParent: true })
  await fillDisk(leaf, SIZE / 4)
  await writeFile(plain, Buffer.alloc(SIZE, 1))
  await compare('reading 512 MiB through a chain of three', ROUNDS, [
    { name: 'a plain file, 2 MiB at a time', run: () => timeOf(() => readPlain(plain)) },
    { name: 'the chain, 2 MiB at a time', run: () => timeOf(() => readChain(leaf)) },
    ...converting(leaf, path.join(folder, 'converted')),
  ])
  await compare('writing 512 MiB to an empty leaf', ROUNDS, writing(folder, { parent: leaf, plain, step: BLOCK }))
  await compare(
    `writing ${SMALL_WRITES} times 4 KiB, spread`,
    ROUNDS,
    writing(folder, { parent: leaf, plain, step: SMALL }),
  )
  for (const file of [root, middle, leaf, plain]) await rm(file)
}

function writing(
  folder: string,
  { parent, plain, step }: { readonly parent: string; readonly plain: string; readonly step: number },
): Contestant[] {
  const target = path.join(folder, 'target.vhd')
  const fresh = async (): Promise<void> => {
    await rm(target, { force: true })
    await util.snapshot(target, parent, { exactParent: true })
  }
  const offsets = step === BLOCK ? sequential() : spread()
  return [
    {
      name: 'a plain file',
      prepare: () => writeFile(plain, ''),
      run: () => timeOf(() => writePlain(plain, step, offsets)),
    },
    {
      name: 'the leaf, one at a time',
      prepare: fresh,
      run: () => timeOf(() => writeLeaf(target, { step, offsets, side: 1 })),
    },
    {
      name: 'the leaf, eight at a time',
      prepare: fresh,
      run: () => timeOf(() => writeLeaf(target, { step, offsets, side: 8 })),
    },
  ]
}

function sequential(): number[] {
  return Array.from({ length: SIZE / BLOCK }, (_, index) => index * BLOCK)
}

/** All over the disk, the same every time. */
function spread(): number[] {
  const places = SIZE / SMALL
  return Array.from({ length: SMALL_WRITES }, (_, index) => ((index * 40_503) % places) * SMALL)
}

async function readPlain(file: string): Promise<void> {
  const handle = await open(file, 'r')
  for (let at = 0; at < SIZE; at += BLOCK) await handle.read(Buffer.allocUnsafe(BLOCK), 0, BLOCK, at)
  await handle.close()
}

async function readChain(file: string): Promise<void> {
  const disk = await openImage(files, file)
  for (let at = 0; at < SIZE; at += BLOCK) await disk.read(at, BLOCK)
  await disk.close()
}

async function writePlain(file: string, step: number, offsets: readonly number[]): Promise<void> {
  const handle = await open(file, 'r+')
  const bytes = Buffer.alloc(step, 7)
  for (const offset of offsets) await handle.write(bytes, 0, step, offset)
  await handle.sync()
  await handle.close()
}

async function writeLeaf(
  file: string,
  { step, offsets, side }: { readonly step: number; readonly offsets: readonly number[]; readonly side: number },
): Promise<void> {
  const disk = await openImage(files, file, { write: true })
  const bytes = Buffer.alloc(step, 7)
  const queue = offsets.values()
  const writer = async (): Promise<void> => {
    for (const offset of queue) await disk.write(offset, bytes)
  }
  await Promise.all(Array.from({ length: side }, writer))
  await disk.close()
}

/** qemu reads no differencing VHD: the root alone, which has as many bytes. */
function converting(leaf: string, target: string): Contestant[] {
  if (!has('qemu-img')) return []
  const root = path.join(path.dirname(leaf), 'root.vhd')
  const args = ['convert', '-f', 'vpc', '-O', 'raw', root, target]
  const run = (): Promise<number> => Promise.resolve(timeOfProcess('qemu-img', args))
  return [
    {
      name: 'qemu-img convert of the root, a process',
      run,
      prepare: () => rm(target, { force: true }),
    },
  ]
}
