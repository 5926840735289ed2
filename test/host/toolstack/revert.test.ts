import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Box, failureOf } from './box.ts'

let box: Box
let sr: string
let vdi: string
let snapshot: string

async function prepare(type: string): Promise<void> {
  sr = await box.makeSr(type)
  vdi = await box.makeVdi(sr, { other_config: { a: 'b' }, tags: ['t'] })
  snapshot = await box.text('VDI.snapshot', vdi)
}

beforeEach(async () => {
  box = await Box.open()
  await prepare('fake')
})
afterEach(async () => {
  await box.close()
})

test('a snapshot knows its disk and inherits what describes it', async () => {
  const disk = await box.record('VDI', vdi)
  expect(await box.record('VDI', snapshot)).toMatchObject({
    is_a_snapshot: true,
    snapshot_of: vdi,
    snapshot_time: expect.stringMatching(/^20\d{6}T\d\d:\d\d:\d\dZ$/) as unknown,
    name_label: 'a disk',
    other_config: { a: 'b', content_id: disk['location'] },
    tags: ['t'],
    virtual_size: 4194304,
  })
  expect(disk).toMatchObject({ snapshots: [snapshot], is_a_snapshot: false })
})

test('the plugin reverts the disk, and no record is changed but by it', async () => {
  await box.api.call('VDI.resize', vdi, '8388608')
  const before = await box.record('VDI', vdi)
  expect(await box.api.call('VDI.revert', snapshot)).toBe('')
  expect(await box.record('VDI', vdi)).toEqual({ ...before, virtual_size: 4194304 })
  expect(await box.record('VDI', snapshot)).toMatchObject({ snapshot_of: vdi })
})

test('the form with driver parameters answers the same disk', async () => {
  expect(await box.text('VDI.revert', snapshot, {})).toBe(vdi)
})

test('only a snapshot can be reverted to', async () => {
  expect(await failureOf(box.api.call('VDI.revert', vdi))).toEqual(['REVERT_ONLY_ALLOWED_ON_SNAPSHOT'])
})

test('a snapshot whose disk is gone cannot be reverted', async () => {
  await box.api.call('VDI.destroy', vdi)
  expect(await failureOf(box.api.call('VDI.revert', snapshot))).toEqual(['HANDLE_INVALID', 'VDI', vdi])
  expect(await box.runs('vdi_revert')).toEqual([])
})

test('an SR that is not plugged in refuses', async () => {
  const [pbd = ''] = (await box.record('SR', sr))['PBDs'] as string[]
  await box.api.call('PBD.unplug', pbd)
  expect(await failureOf(box.api.call('VDI.revert', snapshot))).toEqual(['SR_HAS_NO_PBDS', sr])
})

test('a driver without the feature is not even asked', async () => {
  await prepare('norevert')
  expect(await failureOf(box.api.call('VDI.revert', snapshot))).toEqual(['SR_OPERATION_NOT_SUPPORTED', sr])
  expect(await box.runs('vdi_revert')).toEqual([])
  expect((await box.record('SR', sr))['allowed_operations']).not.toContain('vdi_revert')
})

test.each(['norevert', 'fake'])('driver parameters permit a clone where driver %s refuses', async type => {
  await prepare(type)
  await box.behave({ vdi_revert: { fault: 38 } })
  const other = await box.text('VDI.snapshot', vdi)
  const clone = await box.text('VDI.revert', snapshot, {})
  expect(clone).not.toBe(vdi)
  expect(await box.record('VDI', snapshot)).toMatchObject({ snapshot_of: clone })
  expect(await box.record('VDI', other)).toMatchObject({ snapshot_of: clone })
  expect(await box.record('VDI', vdi)).toMatchObject({ uuid: expect.any(String) as unknown })
})

test('without driver parameters a refusal of the driver is passed on', async () => {
  await box.behave({ vdi_revert: { fault: 38 } })
  expect(await failureOf(box.api.call('VDI.revert', snapshot))).toEqual(['UNIMPLEMENTED_IN_SM_BACKEND', sr])
  expect(await box.runs('vdi_clone')).toEqual([])
})

test('another failure is passed on even where a clone is permitted', async () => {
  await box.behave({ vdi_revert: { fault: 44 } })
  expect((await failureOf(box.api.call('VDI.revert', snapshot, {})))[0]).toBe('SR_BACKEND_FAILURE_44')
  expect(await box.runs('vdi_clone')).toEqual([])
})

test('two reverts on one SR run one after the other', async () => {
  await box.behave({ vdi_revert: { waitFor: `${box.root}/go` } })
  const both = [box.api.call('VDI.revert', snapshot), box.api.call('VDI.revert', snapshot)]
  await expect.poll(async () => (await box.runs('vdi_revert')).length).toBe(1)
  expect(Object.values((await box.record('VDI', vdi))['current_operations'] as object)).toEqual(['revert_from'])
  expect(Object.values((await box.record('VDI', snapshot))['current_operations'] as object)).toEqual(['revert_to'])
  expect(Object.values((await box.record('SR', sr))['current_operations'] as object)).toEqual(['vdi_revert'])
  await writeFile(`${box.root}/go`, '')
  await Promise.all(both)
  expect(await box.runs('vdi_revert')).toHaveLength(2)
})

test('an operation that waits too long says for what', async () => {
  await box.restart({ operationWaitMs: 50 })
  await box.behave({ vdi_revert: { waitFor: `${box.root}/go` } })
  const first = box.api.call('VDI.revert', snapshot)
  await expect.poll(async () => (await box.runs('vdi_revert')).length).toBe(1)
  const [code, className, ref, operation] = await failureOf(box.api.call('SR.scan', sr))
  expect([code, className, ref, operation]).toEqual(['OTHER_OPERATION_IN_PROGRESS', 'SR', sr, 'vdi_revert'])
  await writeFile(`${box.root}/go`, '')
  await first
})

test('a disk that is attached somewhere is in use', async () => {
  const state = `${box.root}/var/lib/sm/toolstack/state.json`
  await box.toolstack.close()
  const { readFile } = await import('node:fs/promises')
  const document = JSON.parse(await readFile(state, 'utf8')) as { objects: { VBD: Record<string, object> } }
  document.objects.VBD['OpaqueRef:a-vbd'] = { uuid: 'u', VDI: vdi, currently_attached: true, mode: 'RO', type: 'Disk' }
  await writeFile(state, JSON.stringify(document))
  await box.restart()
  expect(await failureOf(box.api.call('VDI.revert', snapshot))).toEqual(['VDI_IN_USE', vdi, 'revert_from'])
  expect(await failureOf(box.api.call('VDI.destroy', vdi))).toEqual(['VDI_IN_USE', vdi, 'destroy'])
  expect(await box.runs('vdi_revert')).toEqual([])
  expect((await box.record('SR', sr))['current_operations']).toEqual({})
})
