import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { runInAgent } from '../lab/agent/runInAgent.ts'
import { MIB, World, type Disk } from '../support/World.ts'

let world: World
let disk: Disk
let snapshot: Disk
beforeAll(async () => {
  world = await World.create({ runProgram: runInAgent })
})
beforeEach(async () => {
  disk = await world.createVdi('disk', 4)
  await world.write(disk, 1, 0, 1)
  snapshot = await world.snapshot(disk)
  await world.write(disk, 2, 0, 2)
})
afterAll(async () => {
  await world.close()
})

/** The file effects of an operation, in order. */
async function fileEffects(act: () => Promise<unknown>): Promise<string[]> {
  const trace = path.join(world.root, 'trace')
  await rm(trace, { force: true })
  await world.start(`trace:${trace}`)
  await act()
  await world.start()
  const lines = (await readFile(trace, 'utf8')).trimEnd().split('\n')
  return lines.flatMap(line => /^\d+ file (.*)$/.exec(line)?.[1] ?? [])
}

/** What a power cut could still take away of a file's content or of a directory's names, after each effect. */
function unsyncedAtRename(effects: readonly string[]): string[] {
  const dirty = new Set<string>()
  const broken: string[] = []
  for (const effect of effects) {
    const [verb = '', first = '', second = ''] = effect.split(' ')
    if (verb === 'write' || verb === 'truncate') dirty.add(first)
    if (verb === 'fsync') dirty.delete(first)
    if (verb !== 'rename') continue
    if (dirty.has(first)) broken.push(effect)
    dirty.delete(second)
  }
  return broken
}

/** Names that were changed and not made durable by the end, and journals removed before what they tell of was durable. */
function unsyncedNames(effects: readonly string[]): string[] {
  const changed = new Map<string, string>()
  const broken: string[] = []
  for (const effect of effects) {
    const [verb = '', first = '', second = ''] = effect.split(' ')
    const name = verb === 'rename' || verb === 'link' ? second : first
    if (verb === 'unlink' && /\/(revert|snapshot)_[^/]*$/.test(first)) {
      broken.push(...[...changed.values()].map(earlier => `${earlier} before ${effect}`))
    }
    if (['rename', 'link', 'unlink'].includes(verb)) changed.set(path.dirname(name), effect)
    if (verb === 'fsync') changed.delete(first)
  }
  return [...broken, ...changed.values()]
}

test.each([
  ['a revert that relinks', () => world.revert(snapshot)],
  [
    'a revert that splits',
    async () => {
      await world.write(snapshot, 5, 2, 1)
      await world.revert(snapshot)
    },
  ],
  [
    'a revert that splits without hard links',
    async () => {
      await writeFile(path.join(world.location, 'sm-hardlink.conf'), '0')
      await world.write(snapshot, 5, 2, 1)
      await world.revert(snapshot)
      await rm(path.join(world.location, 'sm-hardlink.conf'))
    },
  ],
  ['a snapshot', () => world.snapshot(disk)],
  ['a clone', () => world.clone(disk)],
  ['creating a disk', () => world.createVdi('new', 4)],
  ['deleting a disk', () => world.call('VDI.destroy', snapshot.ref)],
  ['a resize', () => world.call('VDI.resize', disk.ref, String(264 * MIB))],
])('%s makes a file durable before its name and the name before going on', async (_name, act) => {
  const effects = await fileEffects(act)
  expect(effects.length).toBeGreaterThan(1)
  expect(unsyncedAtRename(effects)).toEqual([])
  expect(unsyncedNames(effects)).toEqual([])
})
