import { describe } from 'vitest'
import { describeCrashes } from '../../contract/crash.ts'
import { openBox } from '../../support/lvhdBox.ts'

describe.each(['thick', 'thin'] as const)('LVHDSR on a model of LVM, %s', allocation => {
  describeCrashes(async () => (await openBox({ allocation })).world, {
    step: 4,
    offset: 0,
    hidesDisk: true,
    codes: ['VDI_IN_USE'],
  })
})
