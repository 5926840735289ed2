import { afterEach, beforeEach, expect, test } from 'vitest'
import { Box, failureOf } from './box.ts'

let box: Box
let sr: string
let vm: string
beforeEach(async () => {
  box = await Box.open()
  sr = await box.makeSr()
  vm = await box.makeVm('guest', { other_config: { a: 'b' }, memory_static_max: '2097152', VCPUs_max: '2' })
})
afterEach(async () => {
  await box.close()
})

const powerState = () => box.text('VM.get_power_state', vm)

test('a VM is made halted, with the fields it was given and no others of its past', async () => {
  const made = await box.makeVm('copy', { uuid: 'x', power_state: 'Running', is_a_snapshot: true, domid: '7' })
  expect(await box.record('VM', made)).toMatchObject({
    name_label: 'copy',
    power_state: 'Halted',
    is_a_snapshot: false,
    domid: -1,
    uuid: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
  })
  expect(await box.record('VM', vm)).toMatchObject({ other_config: { a: 'b' }, VCPUs_max: 2 })
  expect(await failureOf(box.makeVm('bad', { VCPUs_max: 'many' }))).toEqual(['FIELD_TYPE_ERROR', 'VCPUs_max'])
})

test('drives get free numbers and are refused where they make no sense', async () => {
  const disk = await box.makeVdi(sr)
  const readOnly = await box.makeVdi(sr)
  await box.addDrive(vm, disk)
  await box.addDrive(vm, undefined, { type: 'CD', mode: 'RO', userdevice: '3' })
  const third = await box.addDrive(vm, await box.makeVdi(sr))
  expect(await box.record('VBD', third)).toMatchObject({ userdevice: '1', device: '', currently_attached: false })
  const refused = async (vdi: string | undefined, more: Record<string, string>) => {
    const [code, detail] = await failureOf(box.addDrive(vm, vdi, more))
    return [code, detail]
  }
  expect(await refused(readOnly, { userdevice: '3' })).toEqual(['DEVICE_ALREADY_EXISTS', '3'])
  expect(await refused(readOnly, { userdevice: 'xvda' })).toEqual(['INVALID_DEVICE', 'xvda'])
  expect(await refused(undefined, {})).toEqual(['VBD_NOT_REMOVABLE_MEDIA', 'OpaqueRef:NULL'])
  expect(await refused(disk, { type: 'CD' })).toEqual(['VBD_CDS_MUST_BE_READONLY', undefined])
  expect(await refused(disk, { mode: 'WO' })).toEqual(['INVALID_VALUE', 'mode'])
  expect(await refused('OpaqueRef:gone', {})).toEqual(['HANDLE_INVALID', 'VDI'])
})

test('a disc is put into a drive and taken out', async () => {
  const disc = await box.makeVdi(sr)
  const drive = await box.addDrive(vm, undefined, { type: 'CD', mode: 'RO' })
  await box.api.call('VBD.insert', drive, disc)
  expect(await box.record('VBD', drive)).toMatchObject({ VDI: disc, empty: false })
  expect((await failureOf(box.api.call('VBD.insert', drive, disc)))[0]).toBe('VBD_NOT_EMPTY')
  await box.api.call('VBD.eject', drive)
  expect(await box.record('VBD', drive)).toMatchObject({ VDI: 'OpaqueRef:NULL', empty: true })
})

test('a started VM has its disks, and gives them back when it ends', async () => {
  const disk = await box.makeVdi(sr)
  const drive = await box.addDrive(vm, disk)
  const other = await box.makeVm('other')
  await box.addDrive(other, disk)
  await box.api.call('VM.start', vm, false, false)
  expect(await box.record('VBD', drive)).toMatchObject({ currently_attached: true, device: 'xvda' })
  expect(await failureOf(box.api.call('VDI.destroy', disk))).toEqual(['VDI_IN_USE', disk, 'destroy'])
  expect(await failureOf(box.api.call('VM.start', other, false, false))).toEqual(['VDI_IN_USE', disk, 'attach'])
  expect((await failureOf(box.api.call('VBD.destroy', drive)))[0]).toBe('OPERATION_NOT_ALLOWED')
  const wrong = await failureOf(box.api.call('VM.start', vm, false, false))
  expect(wrong).toEqual(['VM_BAD_POWER_STATE', vm, 'halted', 'running'])
  await box.api.call('VM.clean_shutdown', vm)
  expect(await powerState()).toBe('Halted')
  await box.api.call('VM.start', other, false, false)
  expect(await box.runs('vdi_attach')).toEqual([])
})

test('disks are attached through their driver where that is wanted', async () => {
  await box.restart({ vms: { attachDisks: true } })
  const disk = await box.makeVdi(sr, { other_config: { content_id: 'before' } })
  await box.addDrive(vm, disk)
  await box.api.call('VM.start', vm, false, false)
  expect(await box.record('VDI', disk)).toMatchObject({ other_config: {} })
  await box.api.call('VM.hard_shutdown', vm)
  const order = ['vdi_epoch_begin', 'vdi_attach', 'vdi_activate', 'vdi_deactivate', 'vdi_detach', 'vdi_epoch_end']
  for (const command of order) expect(await box.runs(command), command).toHaveLength(1)
  expect((await box.record('VDI', disk))['other_config']).toHaveProperty('content_id')
})

test('a VM whose disk cannot be activated does not start and holds no disk', async () => {
  await box.restart({ vms: { attachDisks: true } })
  const [first, second] = [await box.makeVdi(sr), await box.makeVdi(sr)]
  await box.addDrive(vm, first)
  await box.addDrive(vm, second)
  const uuid = await box.text('VDI.get_uuid', second)
  await box.behave({ vdi_activate: { fault: 46, vdi: uuid } })
  expect((await failureOf(box.api.call('VM.start', vm, false, false)))[0]).toBe('SR_BACKEND_FAILURE_46')
  expect(await powerState()).toBe('Halted')
  expect(await box.runs('vdi_detach')).toHaveLength(2)
  await box.api.call('VDI.destroy', first)
  await box.api.call('VDI.destroy', second)
})

test('a suspended VM keeps its disks and its memory until it is resumed', async () => {
  const drive = await box.addDrive(vm, await box.makeVdi(sr))
  await box.api.call('VM.start', vm, false, false)
  expect(await failureOf(box.api.call('VM.suspend', vm))).toEqual(['VM_NO_SUSPEND_SR', vm])
  await box.api.call('VM.set_suspend_SR', vm, sr)
  await box.api.call('VM.suspend', vm)
  expect(await powerState()).toBe('Suspended')
  expect(await box.record('VBD', drive)).toMatchObject({ currently_attached: true })
  const memory = await box.text('VM.get_suspend_VDI', vm)
  expect(await box.record('VDI', memory)).toMatchObject({ type: 'suspend', virtual_size: 2097152 })
  await box.api.call('VM.resume', vm, false, true)
  expect(await powerState()).toBe('Running')
  expect((await failureOf(box.record('VDI', memory)))[0]).toBe('HANDLE_INVALID')
})

test('the disks of a suspended VM are closed, and opened again when it is resumed', async () => {
  await box.restart({ vms: { attachDisks: true } })
  await box.addDrive(vm, await box.makeVdi(sr))
  await box.api.call('VM.set_suspend_SR', vm, sr)
  const counts = async () => [(await box.runs('vdi_activate')).length, (await box.runs('vdi_deactivate')).length]
  await box.api.call('VM.start', vm, false, false)
  expect(await counts()).toEqual([1, 0])
  await box.api.call('VM.suspend', vm)
  expect(await counts()).toEqual([1, 1])
  await box.api.call('VM.resume', vm, false, true)
  expect(await counts()).toEqual([2, 1])
  await box.api.call('VM.suspend', vm)
  await box.api.call('VM.hard_shutdown', vm)
  expect(await counts()).toEqual([2, 2])
  expect(await powerState()).toBe('Halted')
})

test('what may be done with a VM is shown, and what may not says why', async () => {
  expect(await box.api.call('VM.get_allowed_operations', vm)).toEqual(['snapshot', 'clone', 'start', 'destroy'])
  const snapshot = await box.text('VM.snapshot', vm, 'snap')
  expect(await box.api.call('VM.get_allowed_operations', snapshot)).toEqual(['clone', 'revert', 'destroy'])
  expect(await failureOf(box.api.call('VM.start', snapshot, false, false))).toEqual([
    'VM_IS_SNAPSHOT',
    snapshot,
    'start',
  ])
  await box.api.call('VM.set_blocked_operations', vm, { start: 'not today' })
  expect(await failureOf(box.api.call('VM.start', vm, false, false))).toEqual(['OPERATION_BLOCKED', vm, 'not today'])
  const domain = Object.keys((await box.api.call('VM.get_all_records_where', 'field "domid" = "0"')) as object)
  expect((await failureOf(box.api.call('VM.hard_shutdown', domain[0] ?? '')))[0]).toBe('OPERATION_NOT_ALLOWED')
})

test('a VM that is destroyed takes its drives along and leaves its disks', async () => {
  const disk = await box.makeVdi(sr)
  const drive = await box.addDrive(vm, disk)
  await box.api.call('VM.destroy', vm)
  expect((await failureOf(box.record('VM', vm)))[0]).toBe('HANDLE_INVALID')
  expect((await failureOf(box.record('VBD', drive)))[0]).toBe('HANDLE_INVALID')
  expect(await box.record('VDI', disk)).toMatchObject({ VBDs: [] })
})

test('a clone of a VM has disks of its own and the same disc', async () => {
  const [disk, disc] = [await box.makeVdi(sr), await box.makeVdi(sr)]
  await box.write(disk, 'content')
  await box.addDrive(vm, disk)
  await box.addDrive(vm, disc, { type: 'CD', mode: 'RO' })
  const clone = await box.text('VM.clone', vm, 'clone')
  const disks = await box.disksOf(clone)
  expect(disks['0']).not.toBe(disk)
  expect(await box.read(disks['0'] ?? '')).toBe('content')
  expect(disks['1']).toBe(disc)
})

test('interfaces keep their address in a snapshot', async () => {
  const network = await box.text('network.create', { name_label: 'lan' })
  const mac = '02:00:00:00:00:01'
  await box.api.call('VIF.create', { VM: vm, network, device: '0', MAC: mac })
  const snapshot = await box.text('VM.snapshot', vm, 'snap')
  const [vif = ''] = (await box.record('VM', snapshot))['VIFs'] as string[]
  expect(await box.record('VIF', vif)).toMatchObject({ MAC: mac, network, VM: snapshot })
  expect((await failureOf(box.api.call('network.destroy', network)))[0]).toBe('NETWORK_CONTAINS_VIF')
})
