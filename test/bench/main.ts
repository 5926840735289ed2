import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { MIB, projectRoot, World } from '../support/World.ts'

/**
 * `npm run bench`. Times are medians of whole processes or whole calls, wall clock, warm cache, one after the other;
 * numbers of a loaded machine say little.
 */
const RUNS = 25

async function main(): Promise<void> {
  startUp()
  const world = await World.create()
  try {
    await reverts(world)
  } finally {
    await world.close()
  }
}

/** The cost of starting: the cheapest call against an empty Node process, taken in turns. */
function startUp(): void {
  const request = readFileSync(path.join(projectRoot, 'test/fixtures/smapi/driver-info-request.xml'), 'utf8').trim()
  const plugin = path.join(projectRoot, 'dist/FileSR.cjs')
  const launcher = path.join(projectRoot, 'bin/FileSR')
  const [empty, bundle, launched]: [number[], number[], number[]] = [[], [], []]
  for (let run = 0; run < RUNS; run += 1) {
    empty.push(timeOf(process.execPath, ['-e', '0']))
    bundle.push(timeOf(process.execPath, [plugin, request]))
    launched.push(timeOf(launcher, [request]))
  }
  print('node -e 0', median(empty))
  print('sr_get_driver_info, the bundle', median(bundle), median(bundle) / median(empty))
  print('sr_get_driver_info, bin/FileSR', median(launched), median(launched) / median(empty))
}

/** A revert of a small and of the largest disk: the call, and the bytes it writes. */
async function reverts(world: World): Promise<void> {
  for (const [name, mib] of [
    ['1 GiB', 1024],
    ['2040 GiB', 2040 * 1024],
  ] as const) {
    const disk = await world.createVdi(name, mib)
    await world.write(disk, 1, 0, 64)
    const snapshot = await world.snapshot(disk)
    const times: number[] = []
    for (let run = 0; run < 7; run += 1) {
      await world.write(disk, 2, run * 4, 4)
      const started = performance.now()
      await world.revert(snapshot)
      times.push(performance.now() - started)
    }
    print(`vdi_revert of ${name}, whole call`, median(times))
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
}

function timeOf(program: string, args: string[]): number {
  const started = performance.now()
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ended with ${status}`)
  return performance.now() - started
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

function print(what: string, milliseconds: number, ratio?: number): void {
  const relative = ratio === undefined ? '' : `  ${ratio.toFixed(2)} x node -e 0`
  console.log(`${what.padEnd(36)} ${milliseconds.toFixed(1).padStart(8)} ms${relative}`)
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
