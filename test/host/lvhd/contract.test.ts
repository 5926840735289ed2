import { describe } from 'vitest'
import { describeContract, lvhdFamily } from '../../contract/contract.ts'
import { openBox } from '../../support/lvhdBox.ts'

describe.each(['thick', 'thin'] as const)('LVHDSR on a model of LVM, %s', allocation => {
  describeContract(async () => (await openBox({ allocation })).world, lvhdFamily)
})

describe('LVHDoHBASR on a model of LVM', () => {
  describeContract(async () => (await openBox({ onLun: true })).world, lvhdFamily)
})
