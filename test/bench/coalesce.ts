import { copyFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { coalesce } from '../../lib/vhd/coalesce.ts'
import { copyInLoop, fillDisk, files, util } from './disks.ts'
import { type Contestant, compare, has, timeOf, timeOfProcess } from './measure.ts'

const SIZE = 1024 ** 3
const ROUNDS = 5

/** 1 GiB of full blocks into an empty parent and into a full one, against moving as many bytes in other ways. */
export async function benchCoalesce(folder: string): Promise<void> {
  const [empty, parent, child] = ['empty.vhd', 'coalesced.vhd', 'full.vhd'].map(name => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  const plain = path.join(folder, 'plain')
  await util.create(parent, SIZE)
  await util.snapshot(child, parent, { exactParent: true })
  await fillDisk(child, SIZE)
  await copyFile(parent, empty)
  const freshParent = (): Promise<void> => copyFile(empty, parent)
  const freshPlain = (): Promise<void> => writeFile(plain, '')
  await compare('coalesce of 1 GiB, nothing of it in the parent', ROUNDS, [
    { name: '2 MiB read and write loop', prepare: freshPlain, run: () => timeOf(() => copyInLoop(child, plain, SIZE)) },
    { name: 'coalesce', prepare: freshParent, run: () => timeOf(() => coalesce(files, child)) },
    { name: 'cp, a process', prepare: freshPlain, run: () => Promise.resolve(timeOfProcess('cp', [child, plain])) },
    ...native(child, freshParent),
  ])
  await compare('coalesce of 1 GiB, all of it in the parent', ROUNDS, [
    { name: '2 MiB read and write loop', run: () => timeOf(() => copyInLoop(child, plain, SIZE)) },
    { name: 'coalesce', run: () => timeOf(() => coalesce(files, child)) },
    ...native(child),
  ])
  for (const file of [empty, parent, child, plain]) await rm(file)
}

function native(child: string, prepare?: () => Promise<void>): Contestant[] {
  if (!has('vhd-util')) return []
  const run = (): Promise<number> => Promise.resolve(timeOfProcess('vhd-util', ['coalesce', '-n', child]))
  return [{ name: 'vhd-util coalesce, a process', run, ...(prepare === undefined ? {} : { prepare }) }]
}
