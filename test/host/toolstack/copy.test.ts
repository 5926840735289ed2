import { afterEach, beforeEach, expect, test } from 'vitest'
import { Box, failureOf } from './box.ts'

let box: Box
beforeEach(async () => {
  box = await Box.open()
})
afterEach(async () => {
  await box.close()
})

test('a copy has the content and the description, and is a disk of its own', async () => {
  const [sr, other] = [await box.makeSr(), await box.makeSr('norevert')]
  const disk = await box.makeVdi(sr, { other_config: { a: 'b' }, tags: ['t'] })
  await box.write(disk, 'content')
  const copy = await box.text('VDI.copy', disk, other)
  expect(await box.read(copy)).toBe('content')
  expect(await box.record('VDI', copy)).toMatchObject({
    SR: other,
    name_label: 'a disk',
    other_config: { a: 'b' },
    tags: ['t'],
    is_a_snapshot: false,
    read_only: false,
    current_operations: {},
  })
  await box.write(disk, 'changed')
  expect(await box.read(copy)).toBe('content')
  for (const command of ['vdi_activate', 'vdi_deactivate', 'vdi_detach']) {
    expect(await box.runs(command), command).toHaveLength(2)
  }
})

test('a copy into a disk replaces what that has, and needs room there', async () => {
  const sr = await box.makeSr()
  const [disk, into] = [await box.makeVdi(sr), await box.makeVdi(sr, { virtual_size: '8388608' })]
  await box.write(into, 'old')
  expect(await box.text('VDI.copy', disk, '', '', into)).toBe(into)
  expect(await box.read(into)).toBe('')
  expect(await failureOf(box.api.call('VDI.copy', into, '', '', disk))).toEqual(['VDI_TOO_SMALL', disk, '8388608'])
})

test('a copy that fails leaves no disk', async () => {
  const sr = await box.makeSr()
  const disk = await box.makeVdi(sr)
  await box.behave({ vdi_activate: { fault: 46 } })
  expect((await failureOf(box.api.call('VDI.copy', disk, sr)))[0]).toBe('SR_BACKEND_FAILURE_46')
  expect(await box.api.call('VDI.get_all')).toEqual([disk])
})

test('a driver that refuses to clone gets a copy', async () => {
  const sr = await box.makeSr()
  const disk = await box.makeVdi(sr)
  await box.write(disk, 'content')
  await box.behave({ vdi_clone: { fault: 38 } })
  const clone = await box.text('VDI.clone', disk)
  expect(await box.read(clone)).toBe('content')
  await box.behave({ vdi_clone: { fault: 81 } })
  expect((await failureOf(box.api.call('VDI.clone', disk)))[0]).toBe('SR_BACKEND_FAILURE_81')
})

test('images of a file SR are copied without their driver, in both directions', async () => {
  const files = await box.addFileSr()
  const fake = await box.makeSr()
  const disk = await box.makeVdi(files)
  const data = Buffer.alloc(4096, 'data')
  const writing = await box.openImage(files, disk)
  await writing.write(2 * 1024 * 1024 + 8192, data)
  await writing.close()
  const outside = await box.text('VDI.copy', disk, fake)
  const back = await box.text('VDI.copy', outside, files)
  const copied = await box.openImage(files, back)
  expect(copied.allocatedRanges()).toEqual([{ offset: 2 * 1024 * 1024, length: 2 * 1024 * 1024 }])
  expect((await copied.read(2 * 1024 * 1024 + 8192, 4096)).equals(data)).toBe(true)
  await copied.close()
})

test('changed block tracking goes through the driver', async () => {
  const sr = await box.makeSr()
  const disk = await box.makeVdi(sr)
  const snapshot = await box.text('VDI.snapshot', disk)
  await box.api.call('VDI.enable_cbt', disk)
  await box.api.call('VDI.disable_cbt', disk)
  expect(await box.runs('vdi_enable_cbt')).toHaveLength(1)
  expect(await box.runs('vdi_disable_cbt')).toHaveLength(1)
  expect(await box.text('VDI.list_changed_blocks', snapshot, disk)).toBe('AAAA')
  const [listing] = await box.runs('vdi_list_changed_blocks')
  expect(listing?.argv[0]).toContain(`<name>args</name><value><array><data><value>${disk}</value>`)
  expect((await failureOf(box.api.call('VDI.data_destroy', disk)))[0]).toBe('OPERATION_NOT_ALLOWED')
  const other = await box.makeVdi(await box.makeSr('norevert'))
  expect((await failureOf(box.api.call('VDI.enable_cbt', other)))[0]).toBe('SR_OPERATION_NOT_SUPPORTED')
})

test('what a disk does at a boot can be set', async () => {
  const disk = await box.makeVdi(await box.makeSr())
  await box.api.call('VDI.set_on_boot', disk, 'reset')
  expect(await box.record('VDI', disk)).toMatchObject({ on_boot: 'reset' })
  expect((await failureOf(box.api.call('VDI.snapshot', disk)))[0]).toMatch(/^VDI_ON_BOOT_MODE/)
  expect(await failureOf(box.api.call('VDI.set_on_boot', disk, 'never'))).toEqual(['INVALID_VALUE', 'value', 'never'])
})

test('a name that drivers refuse is refused when it is set', async () => {
  const disk = await box.makeVdi(await box.makeSr())
  const name = 'bad\u0090name'
  expect(await failureOf(box.api.call('VDI.set_name_label', disk, name))).toEqual(['INVALID_VALUE', 'name_label', name])
  expect(await box.text('VDI.get_name_label', disk)).toBe('a disk')
})
