import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runInAgent } from '../lab/agent/runInAgent.ts'
import { World } from '../support/World.ts'
import { survivesErrors } from './harness.ts'
import { scenarioOf, untouchedSnapshot, withoutHardLinks, writtenSnapshot } from './settings.ts'

const LONG = 1_200_000

describe('a revert whose effects fail, one at a time, takes itself back', () => {
  let world: World
  beforeEach(async () => {
    world = await World.create({ runProgram: runInAgent })
  })
  afterEach(async () => {
    await world.close()
  })

  test.each([
    ['relinking', untouchedSnapshot, 20],
    ['splitting a snapshot with data', writtenSnapshot, 30],
    ['splitting without hard links', withoutHardLinks, 30],
  ] as const)('%s', { timeout: LONG }, async (_name, setting, least) => {
    const scenario = await scenarioOf(await setting(world))
    expect(await survivesErrors(scenario, 'EIO', ['SR_BACKEND_FAILURE_82'])).toBeGreaterThan(least)
  })

  test('and says that there is no space, wherever it runs out', { timeout: LONG }, async () => {
    const scenario = await scenarioOf(await untouchedSnapshot(world))
    expect(await survivesErrors(scenario, 'ENOSPC', ['SR_BACKEND_FAILURE_44'])).toBeGreaterThan(20)
  })
})
