import { describe } from 'vitest'
import { World } from '../support/World.ts'
import { describeContract } from './contract.ts'

// Its crashes are in test/crash, at every effect.
describe('FileSR', () => {
  describeContract(() => World.create())
})
