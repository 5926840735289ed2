import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runInAgent } from '../lab/agent/runInAgent.ts'
import { World } from '../support/World.ts'
import { survivesKilledRecovery, survivesKills } from './harness.ts'
import {
  rootSnapshot,
  scenarioOf,
  unrelatedSnapshot,
  untouchedSnapshot,
  visibleBacking,
  withoutHardLinks,
  writtenSnapshot,
} from './settings.ts'

const LONG = 1_200_000

describe('a revert that is killed before each of its effects', () => {
  let world: World
  beforeEach(async () => {
    world = await World.create({ runProgram: runInAgent })
  })
  afterEach(async () => {
    await world.close()
  })

  test.each([
    ['relinking', untouchedSnapshot, 15],
    ['relinking to another tree', unrelatedSnapshot, 15],
    ['relinking to a base copy that is still visible', visibleBacking, 20],
    ['splitting a snapshot with data', writtenSnapshot, 25],
    ['splitting a snapshot that is the root of another tree', rootSnapshot, 25],
    ['splitting without hard links', withoutHardLinks, 25],
  ] as const)('%s', { timeout: LONG }, async (_name, setting, least) => {
    const made = await setting(world)
    const scenario = await scenarioOf(made)
    // Without hard links the snapshot's name is free between two renames; the journal is durable by then.
    const closedUntilRecovered = setting === withoutHardLinks ? [made.snapshot.uuid] : []
    expect(await survivesKills({ ...scenario, closedUntilRecovered })).toBeGreaterThan(least)
  })

  test.each([
    'FileSR_revert_create_insert',
    'FileSR_revert_create_src',
    'FileSR_revert_create_dest',
    'FileSR_revert_before_commit',
    'FileSR_revert_after_commit',
  ])('survives that its recovery from %s is killed too', { timeout: LONG }, async point => {
    expect(await survivesKilledRecovery(await scenarioOf(await writtenSnapshot(world)), point)).toBeGreaterThan(3)
  })
})
