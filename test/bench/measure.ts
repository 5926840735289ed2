import { spawnSync } from 'node:child_process'

/** Milliseconds of one call. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** Milliseconds of a whole process; throws where it fails. */
export function timeOfProcess(program: string, args: readonly string[]): number {
  const started = performance.now()
  const { status, error, stderr } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`)
  return performance.now() - started
}

/** Whether the machine has a program. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' }).status === 0
}

export interface Contestant {
  readonly name: string
  /** Makes everything ready; not timed. */
  readonly prepare?: () => Promise<unknown>
  /** Returns its milliseconds. */
  readonly run: () => Promise<number>
}

/** Runs all in turns, so that what else the machine does hits all alike; the medians, in milliseconds. */
export async function inTurns(rounds: number, contestants: readonly Contestant[]): Promise<number[]> {
  const times = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { prepare, run }] of contestants.entries()) {
      await prepare?.()
      times[index]?.push(await run())
    }
  }
  return times.map(median)
}

/** Runs all in turns and prints each; every one is related to the first. */
export async function compare(subject: string, rounds: number, contestants: readonly Contestant[]): Promise<void> {
  console.log(subject)
  const medians = await inTurns(rounds, contestants)
  for (const [index, { name }] of contestants.entries()) {
    const relative =
      index === 0 ? '' : ` takes ${ratio(medians[index], medians[0])} x the time of ${contestants[0]?.name ?? ''}`
    console.log(`  ${name.padEnd(44)} ${milliseconds(medians[index] ?? 0)}${relative}`)
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

export function milliseconds(value: number): string {
  return `${value.toFixed(1).padStart(8)} ms`
}

function ratio(value = 0, base = 0): string {
  return (value / base).toFixed(2)
}
