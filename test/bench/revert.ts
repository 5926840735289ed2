import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { MIB, World } from '../support/World.ts'
import { median, milliseconds, timeOf } from './measure.ts'

const RUNS = 7

/** A revert of a small and of the largest disk: the whole call, and the bytes it writes. */
export async function benchRevert(): Promise<void> {
  const world = await World.create()
  try {
    await revertOf(world, '1 GiB', 1024)
    await revertOf(world, '2040 GiB', 2040 * 1024)
  } finally {
    await world.close()
  }
}

async function revertOf(world: World, name: string, mib: number): Promise<void> {
  const disk = await world.createVdi(name, mib)
  await world.write(disk, 1, 0, 64)
  const snapshot = await world.snapshot(disk)
  const times: number[] = []
  for (let run = 0; run < RUNS; run += 1) {
    await world.write(disk, 2, run * 4, 4)
    times.push(await timeOf(() => world.revert(snapshot)))
  }
  console.log(`vdi_revert of ${name}, whole call\n  ${milliseconds(median(times))}`)
  const trace = path.join(world.root, 'trace')
  rmSync(trace, { force: true })
  await world.write(disk, 3, 0, 4)
  await world.start(`trace:${trace}`)
  await world.revert(snapshot)
  await world.start()
  const written = [...readFileSync(trace, 'utf8').matchAll(/file write .* \d+\+(\d+)$/gm)]
  const bytes = written.reduce((sum, match) => sum + Number(match[1]), 0)
  console.log(`  writes ${(bytes / MIB).toFixed(2)} MiB in ${written.length} writes`)
}
