import { describe } from 'vitest'
import { describeContract, lvhdFamily } from '../../contract/contract.ts'
import { openBox } from '../../support/lvhdBox.ts'

describe.each(['thick', 'thin'] as const)('LVHDSR on a model of LVM, %s', allocation => {
  describeContract(async () => (await openBox({ allocation })).world, lvhdFamily)
})
