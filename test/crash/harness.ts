import { expect } from 'vitest'
import { XapiError } from '../../lib/xapi/XapiClient.ts'
import type { AnyWorld } from '../lab/RemoteWorld.ts'

/** Content of a disk: SHA-256 of what a guest reads, and size in bytes. */
export interface Content {
  readonly sha256: string
  readonly size: number
}

/** One operation that is stopped at every point, and what must hold afterwards. */
export interface Scenario {
  readonly world: AnyWorld
  /** The operation, from the saved state. */
  readonly act: () => Promise<unknown>
  /** Contents each disk may have after an interruption, by uuid; the last is the one after success. */
  readonly allowed: ReadonlyMap<string, readonly Content[]>
  /** How many managed disks there may be afterwards: before, or after success. */
  readonly disks: readonly [before: number, after: number]
  /** Disks that nothing may open before recovery: the format closes them itself while it is being changed. */
  readonly closedUntilRecovered?: readonly string[]
  /** Where each interruption takes long: only each `step`-th effect, from the `offset`-th on. `SM_CRASH_ALL` takes them all. */
  readonly sample?: Sample
}

export interface Sample {
  readonly step: number
  readonly offset: number
}

export interface Effect {
  readonly index: number
  readonly what: string
}

/** Effects that change nothing another process could see; being killed before one is being killed after the one before it. */
const WITHOUT_TRACE = /^(xapi [a-z_A-Z]+\.get_|file fsync|lock )/

/** A lock that cannot be taken is no error of the storage; it has tests of its own. */
const CANNOT_FAIL = /^lock /

/** The effects of the operation, in the order of a run that is not disturbed; `skip` leaves some out. */
export async function effectsOf({ world, act }: Scenario, skip: RegExp): Promise<Effect[]> {
  await world.takeTrace()
  await world.restore(`trace:${world.root}/trace`)
  await act()
  const effects: Effect[] = []
  for (const line of await world.takeTrace()) {
    const [, index = '', what = ''] = /^(\d+) (.*)$/.exec(line) ?? []
    if (index === '1' && effects.length > 0) break
    effects.push({ index: Number(index), what })
  }
  return effects.filter(effect => takesAll() || !skip.test(effect.what))
}

const takesAll = () => process.env['SM_CRASH_ALL'] !== undefined

export function sampled(effects: readonly Effect[], { step, offset }: Sample = { step: 1, offset: 0 }): Effect[] {
  return effects.filter((_effect, at) => takesAll() || at % step === offset % step)
}

/** Runs the operation once per effect, killed before it, and checks each time that nothing is lost and nothing stays behind. */
export async function survivesKills(scenario: Scenario): Promise<number> {
  const { world, act } = scenario
  const effects = sampled(await effectsOf(scenario, WITHOUT_TRACE), scenario.sample)
  for (const { index, what } of effects) {
    await world.restore(`effect:${index}`)
    const error = await outcomeOf(act)
    const where = `killed before effect ${index}: ${what}`
    expect(error?.params[0], where).toBe('received signal: SIGKILL')
    await expectContents(scenario, where)
    await world.start()
    await expectRecovered(scenario, where, index % 4 === 0)
  }
  await world.restore()
  await expectDone(scenario, 'not disturbed')
  return effects.length
}

/**
 * As `survivesKills`, with an error of the system instead of a kill: the call itself must leave everything clean. Of
 * the effects that change nothing one in four is taken.
 */
export async function survivesErrors(scenario: Scenario, errno: string, codes: readonly string[]): Promise<number> {
  const { world, act } = scenario
  const all = await effectsOf(scenario, CANNOT_FAIL)
  const worthwhile = all.filter(({ index, what }) => takesAll() || !WITHOUT_TRACE.test(what) || index % 4 === 0)
  const effects = sampled(worthwhile, scenario.sample)
  for (const { index, what } of effects) {
    await world.restore(`effect:${index}=${errno}`)
    const error = await outcomeOf(act)
    const where = `${errno} at effect ${index}: ${what}`
    if (error !== undefined) expect(codes, `${where}: ${error.message}`).toContain(error.code)
    await expectContents(scenario, where)
    await world.start()
    await expectRecovered(scenario, where, index % 4 === 0)
  }
  return effects.length
}

/** Kills the operation at a named point and then the scan that recovers from it at each of its own effects. */
export async function survivesKilledRecovery(scenario: Scenario, point: string): Promise<number> {
  const { world, act } = scenario
  const interrupt = async (fist?: string) => {
    await world.restore(point)
    const error = await outcomeOf(act)
    expect(error?.params[0], point).toBe('received signal: SIGKILL')
    await world.start(fist)
  }
  await world.takeTrace()
  await interrupt(`trace:${world.root}/trace`)
  await world.scan()
  const lines = await world.takeTrace()
  const firstRun = lines.slice(
    0,
    Math.max(lines.indexOf(lines.find((line, at) => at > 0 && line.startsWith('1 ')) ?? ''), 0) || undefined,
  )
  const indexes = firstRun.flatMap((line, at) => (WITHOUT_TRACE.test(line.replace(/^\d+ /, '')) ? [] : [at + 1]))
  for (const index of indexes) {
    const where = `${point}, recovery killed before its effect ${index}`
    await interrupt(`effect:${index}`)
    await world.scan().catch((error: unknown) => {
      if (!(error instanceof XapiError)) throw error
    })
    await expectContents(scenario, where)
    await world.start()
    await expectRecovered(scenario, where, index % 4 === 0)
  }
  return indexes.length
}

export async function outcomeOf(act: () => Promise<unknown>): Promise<XapiError | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    if (error instanceof XapiError) return error
    throw error
  }
}

/** Right after the interruption, before anything was repaired: every disk reads as one of the contents it may have. */
export async function expectContents(
  { world, allowed, closedUntilRecovered = [] }: Scenario,
  where: string,
): Promise<void> {
  for (const [uuid, contents] of allowed) {
    if (contents.length === 0 || closedUntilRecovered.includes(uuid)) continue
    expect(contents, `${where}, disk ${uuid}`).toContainEqual(await world.content(uuid).catch(String))
  }
}

/**
 * After a scan: contents as before, directory and records agree, nothing is left. `thorough`: and another scan finds
 * nothing to do.
 */
export async function expectRecovered(scenario: Scenario, where: string, thorough: boolean): Promise<void> {
  const { world, allowed, disks } = scenario
  await world.scan()
  for (const [uuid, contents] of allowed) {
    if (contents.length === 0) continue
    expect(contents, `${where}, disk ${uuid} after recovery`).toContainEqual(await world.content(uuid).catch(String))
  }
  await expectConsistent(world, where)
  const managed = [...(await world.records()).values()].filter(record => record.managed).length
  expect(disks, `${where}: number of disks`).toContain(managed)
  if (!thorough) return
  const before = JSON.stringify([...(await world.records())])
  await world.scan()
  expect(JSON.stringify([...(await world.records())]), `${where}: a second scan`).toBe(before)
}

/** The directory holds images alone, one for each record, and each record says what its image does. */
export async function expectConsistent(world: AnyWorld, where: string): Promise<void> {
  const names = await world.names()
  const strange = names.filter(name => !/^([0-9a-f-]{36}\.(vhd|raw)|sm-hardlink\.conf)$/.test(name))
  expect(strange, `${where}: leftovers`).toEqual([])
  const rows = await world.images()
  const records = new Map([...(await world.records()).values()].map(record => [record.uuid, record]))
  for (const row of rows) {
    if ('error' in row) throw new Error(`${where}: ${row.name} is broken: ${row.error.message}`)
    const uuid = row.name.slice(0, -4)
    const record = records.get(uuid)
    const isGarbage = row.hidden && !rows.some(other => 'parentName' in other && other.parentName === row.name)
    if (isGarbage) continue
    expect(record, `${where}: record of ${row.name}`).toBeDefined()
    expect(record?.virtual_size, `${where}: virtual_size of ${uuid}`).toBe(row.virtualSize)
    expect(record?.physical_utilisation, `${where}: physical_utilisation of ${uuid}`).toBe(row.physicalSize)
    expect(record?.sm_config['vhd-parent'], `${where}: parent of ${uuid}`).toBe(row.parentName?.slice(0, -4))
    for (const key of ['paused', 'activating', 'relinking']) expect(record?.sm_config, where).not.toHaveProperty(key)
    expect(record?.managed, `${where}: ${uuid} managed`).toBe(!row.hidden)
  }
  for (const uuid of records.keys()) {
    expect(
      names.some(name => name.startsWith(uuid)),
      `${where}: image of record ${uuid}`,
    ).toBe(true)
  }
}

/** The operation works, and leaves each disk with the content of success. */
async function expectDone(scenario: Scenario, where: string): Promise<void> {
  await scenario.act()
  for (const [uuid, contents] of scenario.allowed) {
    const last = contents.at(-1)
    if (last !== undefined) expect(await scenario.world.content(uuid), where).toEqual(last)
  }
  await scenario.world.scan()
  await expectConsistent(scenario.world, where)
}
