import { expect, test } from 'vitest'
import { driverOf } from '../../../drivers/explain.ts'

test.each([
  ['file', 'FileSR'],
  ['ext', 'EXTSR'],
  ['nfs', 'NFSSR'],
  ['lvm', 'LVHDSR'],
  ['lvhd', 'LVHDSR'],
  ['lvmoiscsi', 'LVHDoISCSISR'],
  ['lvhdoiscsi', 'LVHDoISCSISR'],
  ['lvmohba', 'LVHDoHBASR'],
  ['lvhdohba', 'LVHDoHBASR'],
])('an SR of type %s is handled by %s', async (type, driver) => {
  expect((await driverOf(type))?.name).toBe(driver)
})

test.each(['iso', 'toString', ''])('an SR of type "%s" is handled by none', async type => {
  expect(await driverOf(type)).toBeUndefined()
})
