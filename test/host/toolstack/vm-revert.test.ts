import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Box, failureOf } from './box.ts'

let box: Box
beforeEach(async () => {
  box = await Box.open()
})
afterEach(async () => {
  await box.close()
})

/** A VM with two disks, a CD drive with a disc and a snapshot of all; afterwards the disks were written to. */
async function prepare(type: string, ignoreSecond = false) {
  const sr = await box.makeSr(type)
  const vm = await box.makeVm('guest', { other_config: { when: 'before' } })
  const [first, second, disc] = [await box.makeVdi(sr), await box.makeVdi(sr), await box.makeVdi(sr)]
  await box.write(first, 'first before')
  await box.write(second, 'second before')
  await box.addDrive(vm, first, { userdevice: '0', bootable: true })
  await box.addDrive(vm, second, { userdevice: '1' })
  await box.addDrive(vm, disc, { userdevice: '3', type: 'CD', mode: 'RO' })
  const snapshot = await box.text('VM.snapshot', vm, 'snap', ignoreSecond ? [second] : [])
  await box.write(first, 'first after')
  await box.write(second, 'second after')
  await box.api.call('VM.set_name_label', vm, 'renamed')
  return { sr, vm, first, second, disc, snapshot }
}

const revert = (snapshot: string) => box.api.call('VM.revert', snapshot)
const exists = async (vdi: string) => ((await box.api.call('VDI.get_all')) as string[]).includes(vdi)

test('a snapshot of a VM knows what it is of, and so do its disks', async () => {
  const { vm, first, second, disc, snapshot } = await prepare('fake', true)
  expect(await box.record('VM', snapshot)).toMatchObject({
    name_label: 'snap',
    is_a_snapshot: true,
    is_a_template: true,
    snapshot_of: vm,
    power_state: 'Halted',
    parent: 'OpaqueRef:NULL',
    snapshot_info: { 'power-state-at-snapshot': 'Halted', 'disk-snapshot-type': 'crash_consistent' },
    snapshot_time: expect.stringMatching(/^20\d{6}T/) as unknown,
  })
  expect(await box.record('VM', vm)).toMatchObject({ snapshots: [snapshot], parent: snapshot })
  const disks = await box.disksOf(snapshot)
  expect(Object.keys(disks)).toEqual(['0', '3'])
  expect(disks['3']).toBe(disc)
  expect(await box.record('VDI', disks['0'] ?? '')).toMatchObject({ snapshot_of: first, is_a_snapshot: true })
  expect(await box.record('VDI', second)).toMatchObject({ snapshots: [] })
  const [run] = await box.runs('vdi_snapshot')
  expect(run?.argv[0]).toContain('<name>epochhint</name>')
})

test('a VM snapshot that fails in one disk leaves no snapshot of another', async () => {
  const { vm, sr, second } = await prepare('fake')
  const before = await box.api.call('VDI.get_all')
  await box.behave({ vdi_snapshot: { fault: 44, vdi: await box.text('VDI.get_uuid', second) } })
  expect((await failureOf(box.api.call('VM.snapshot', vm, 'x')))[0]).toBe('SR_BACKEND_FAILURE_44')
  expect(await box.api.call('VDI.get_all')).toEqual(before)
  expect(await box.record('SR', sr)).toMatchObject({ current_operations: {} })
  expect((await box.record('VM', vm))['snapshots']).toHaveLength(1)
})

describe('where disks go back in place', () => {
  test('the VM has its old contents on the same disks', async () => {
    const { vm, first, second, disc, snapshot } = await prepare('fake')
    const drives = (await box.record('VM', vm))['VBDs'] as string[]
    await revert(snapshot)
    expect(await box.disksOf(vm)).toEqual({ 0: first, 1: second, 3: disc })
    expect(await box.read(first)).toBe('first before')
    expect(await box.read(second)).toBe('second before')
    expect((await box.record('VM', vm))['VBDs']).toEqual(expect.arrayContaining(drives.slice(0, 2)))
    const [snapped = ''] = Object.values(await box.disksOf(snapshot))
    expect(await box.record('VDI', snapped)).toMatchObject({ snapshot_of: first })
    expect(await box.runs('vdi_clone')).toEqual([])
  })

  test('the record of the VM goes back too, and says from where', async () => {
    const { vm, snapshot } = await prepare('fake')
    await box.api.call('VM.set_tags', vm, ['kept'])
    await revert(snapshot)
    expect(await box.record('VM', vm)).toMatchObject({
      name_label: 'guest',
      other_config: { when: 'before' },
      tags: ['kept'],
      is_a_snapshot: false,
      is_a_template: false,
      parent: snapshot,
      current_operations: {},
    })
    const messages = Object.values((await box.api.call('message.get_all_records')) as object) as { name: string }[]
    expect(messages.map(({ name }) => name)).toEqual(['VM_SNAPSHOTTED', 'VM_SNAPSHOT_REVERTED'])
  })

  test('a disk that the snapshot leaves out is kept without a drive', async () => {
    const { vm, first, second, disc, snapshot } = await prepare('fake', true)
    await revert(snapshot)
    expect(await box.disksOf(vm)).toEqual({ 0: first, 3: disc })
    expect(await box.read(second)).toBe('second after')
  })

  test('a running VM is halted first', async () => {
    const { vm, first, snapshot } = await prepare('fake')
    await box.api.call('VM.start', vm, false, false)
    await revert(snapshot)
    expect(await box.text('VM.get_power_state', vm)).toBe('Halted')
    expect(await box.read(first)).toBe('first before')
  })

  test('a disk that another running VM has is in use, and nothing is destroyed', async () => {
    const { vm, second, snapshot } = await prepare('fake')
    const other = await box.makeVm('other')
    await box.addDrive(other, second)
    await box.api.call('VM.start', other, false, false)
    expect(await failureOf(revert(snapshot))).toEqual(['VM_REVERT_FAILED', snapshot, vm])
    expect(await box.read(second)).toBe('second after')
    expect(Object.keys(await box.disksOf(vm))).toEqual(['0', '1', '3'])
  })

  test('a failure in the second disk leaves the first reverted, and trying again completes it', async () => {
    const { vm, first, second, disc, snapshot } = await prepare('fake')
    const disks = await box.disksOf(snapshot)
    const last = [disks['0'] ?? '', disks['1'] ?? ''].sort()[1] ?? ''
    await box.behave({ vdi_revert: { fault: 46, vdi: await box.text('VDI.get_uuid', last) } })
    const before = await box.api.call('VDI.get_all')
    expect(await failureOf(revert(snapshot))).toEqual(['VM_REVERT_FAILED', snapshot, vm])
    const [done, failed] = last === disks['1'] ? [first, second] : [second, first]
    expect(await box.read(done)).toMatch(/before$/)
    expect(await box.read(failed)).toMatch(/after$/)
    expect(await box.api.call('VDI.get_all')).toEqual(before)
    expect(await box.disksOf(vm)).toEqual({ 0: first, 1: second, 3: disc })
    await box.behave({})
    await revert(snapshot)
    expect([await box.read(first), await box.read(second)]).toEqual(['first before', 'second before'])
  })

  test.each([44, 109])('fault %i reaches the client as it is', async fault => {
    const { snapshot } = await prepare('fake')
    await box.behave({ vdi_revert: { fault } })
    expect((await failureOf(revert(snapshot)))[0]).toBe(`SR_BACKEND_FAILURE_${fault}`)
  })

  test('a disk that was destroyed meanwhile makes the revert fail', async () => {
    const { vm, first, snapshot } = await prepare('fake')
    await box.api.call('VDI.destroy', first)
    expect(await failureOf(revert(snapshot))).toEqual(['VM_REVERT_FAILED', snapshot, vm])
  })

  test('unless missing disks are to be restored: then a clone takes its place', async () => {
    const { vm, first, second, snapshot } = await prepare('fake')
    await box.restart({ vms: { restoreMissingDisks: true } })
    await box.api.call('VDI.destroy', first)
    await revert(snapshot)
    const disks = await box.disksOf(vm)
    expect(disks['1']).toBe(second)
    expect(await box.read(disks['0'] ?? '')).toBe('first before')
    const snapped = (await box.disksOf(snapshot))['0'] ?? ''
    expect(await box.record('VDI', snapped)).toMatchObject({ snapshot_of: disks['0'] })
  })

  test.each([
    [false, undefined],
    [true, 'first'],
  ])('a disk that was detached is reverted; with missing disks restored: %s', async (restoreMissingDisks, expected) => {
    const { vm, first, snapshot } = await prepare('fake')
    await box.restart({ vms: { restoreMissingDisks } })
    const drives = (await box.api.call('VDI.get_VBDs', first)) as string[]
    for (const drive of drives) await box.api.call('VBD.destroy', drive)
    await revert(snapshot)
    expect(await box.read(first)).toBe('first before')
    expect((await box.disksOf(vm))['0']).toBe(expected === undefined ? undefined : first)
  })
})

describe.each(['norevert', 'fake that answers 38'])('where disks cannot go back in place (%s)', type => {
  const start = async (ignoreSecond = false) => {
    const prepared = await prepare(type.split(' ')[0] ?? '', ignoreSecond)
    await box.behave({ vdi_revert: { fault: 38 } })
    return prepared
  }

  test('clones take their places, and all snapshots are of them', async () => {
    const { vm, first, second, disc, snapshot } = await start()
    const other = await box.text('VDI.snapshot', first)
    await revert(snapshot)
    const disks = await box.disksOf(vm)
    expect(await box.read(disks['0'] ?? '')).toBe('first before')
    expect(await box.read(disks['1'] ?? '')).toBe('second before')
    expect(disks['3']).toBe(disc)
    expect([await exists(first), await exists(second)]).toEqual([false, false])
    for (const snapped of [other, (await box.disksOf(snapshot))['0'] ?? '']) {
      expect(await box.record('VDI', snapped)).toMatchObject({ snapshot_of: disks['0'] })
    }
    const drives = Object.values((await box.api.call('VBD.get_all_records_where', `field "VM" = "${vm}"`)) as object)
    expect(drives).toContainEqual(expect.objectContaining({ userdevice: '0', bootable: true, VDI: disks['0'] }))
  })

  test('a disk that the snapshot leaves out is kept', async () => {
    const { vm, second, disc, snapshot } = await start(true)
    await revert(snapshot)
    const disks = await box.disksOf(vm)
    expect(Object.keys(disks)).toEqual(['0', '3'])
    expect(disks['3']).toBe(disc)
    expect(await box.read(second)).toBe('second after')
  })

  test('a clone that fails leaves every disk where it was', async () => {
    const { vm, first, second, disc, snapshot } = await start()
    const before = await box.api.call('VDI.get_all')
    const disks = await box.disksOf(snapshot)
    const last = [disks['0'] ?? '', disks['1'] ?? ''].sort()[1] ?? ''
    await box.behave({ vdi_revert: { fault: 38 }, vdi_clone: { fault: 44, vdi: await box.text('VDI.get_uuid', last) } })
    expect((await failureOf(revert(snapshot)))[0]).toBe('SR_BACKEND_FAILURE_44')
    expect(await box.disksOf(vm)).toEqual({ 0: first, 1: second, 3: disc })
    expect([await box.read(first), await box.read(second)]).toEqual(['first after', 'second after'])
    expect(await box.api.call('VDI.get_all')).toEqual(before)
  })

  test('a disk that another running VM has is not taken away from it', async () => {
    const { vm, second, snapshot } = await start()
    const other = await box.makeVm('other')
    await box.addDrive(other, second)
    await box.api.call('VM.start', other, false, false)
    expect(await failureOf(revert(snapshot))).toEqual(['VM_REVERT_FAILED', snapshot, vm])
    expect((await box.disksOf(other))['0']).toBe(second)
  })

  test('an old disk that cannot be destroyed stays as a disk without a drive', async () => {
    const { vm, first, snapshot } = await start()
    await box.behave({ vdi_revert: { fault: 38 }, vdi_delete: { fault: 80 } })
    await revert(snapshot)
    expect(await exists(first)).toBe(true)
    expect((await box.disksOf(vm))['0']).not.toBe(first)
    expect(box.log.join()).toContain('SR_BACKEND_FAILURE_80')
  })
})

test('a checkpoint brings the memory back, a clone of what it had', async () => {
  const { sr, vm, first, snapshot: plain } = await prepare('fake')
  await box.api.call('VM.set_suspend_SR', vm, sr)
  await box.api.call('VM.start', vm, false, false)
  const checkpoint = await box.text('VM.checkpoint', vm, 'with memory')
  expect(await box.text('VM.get_power_state', vm)).toBe('Running')
  const { suspend_VDI: memory, power_state: state } = await box.record('VM', checkpoint)
  expect(state).toBe('Suspended')
  await box.write(String(memory), 'memory')
  await box.write(first, 'later')
  await revert(checkpoint)
  const restored = await box.text('VM.get_suspend_VDI', vm)
  expect(restored).not.toBe(memory)
  expect(await box.read(restored)).toBe('memory')
  expect(await box.read(first)).toBe('first after')
  expect(await box.text('VM.get_power_state', vm)).toBe('Suspended')
  await box.api.call('VM.resume', vm, false, true)
  await revert(plain)
  expect(await box.text('VM.get_power_state', vm)).toBe('Halted')
  expect(await exists(restored)).toBe(false)
  await box.api.call('VM.destroy', checkpoint)
  expect(await exists(String(memory))).toBe(false)
})

test('a VM that was destroyed comes back with its uuid and its snapshots', async () => {
  const { vm, snapshot } = await prepare('norevert')
  const other = await box.text('VM.snapshot', vm, 'second snapshot')
  const uuid = await box.text('VM.get_uuid', vm)
  await box.api.call('VM.destroy', vm)
  await revert(snapshot)
  const back = await box.text('VM.get_by_uuid', uuid)
  expect(await box.record('VM', back)).toMatchObject({
    name_label: 'guest',
    is_a_template: false,
    power_state: 'Halted',
  })
  expect(await box.text('VM.get_snapshot_of', other)).toBe(back)
  expect(await box.read((await box.disksOf(back))['0'] ?? '')).toBe('first before')
})

test('only a snapshot can be reverted to', async () => {
  const { vm } = await prepare('fake')
  expect(await failureOf(revert(vm))).toEqual(['REVERT_ONLY_ALLOWED_ON_SNAPSHOT'])
})

test('empty drives come back empty', async () => {
  const vm = await box.makeVm()
  const drive = await box.addDrive(vm, undefined, { type: 'CD', mode: 'RO' })
  const snapshot = await box.text('VM.snapshot', vm, 'snap')
  await box.api.call('VBD.destroy', drive)
  await revert(snapshot)
  const drives = Object.values((await box.api.call('VBD.get_all_records_where', `field "VM" = "${vm}"`)) as object)
  expect(drives).toEqual([expect.objectContaining({ type: 'CD', empty: true, VDI: 'OpaqueRef:NULL' })])
})

test('as a task it tells of its failure', async () => {
  const { vm, snapshot } = await prepare('fake')
  await rm(box.root + '/behaviour.json', { force: true })
  await box.behave({ vdi_revert: { fault: 82 } })
  const task = await box.text('Async.VM.revert', snapshot)
  await expect.poll(() => box.text('task.get_status', task), { timeout: 30_000 }).toBe('failure')
  expect(await box.api.call('task.get_error_info', task)).toEqual(['VM_REVERT_FAILED', snapshot, vm])
})
