import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Box, failureOf } from '../toolstack/box.ts'

let box: Box
beforeAll(async () => {
  box = await Box.open()
})
afterAll(async () => {
  await box.close()
})

/** The path of each volume as CloudStack stores it: the disk's uuid by the number of its drive. */
async function volumePaths(vmName: string): Promise<Record<string, string>> {
  const [vm = ''] = (await box.api.call('VM.get_by_name_label', vmName)) as string[]
  const paths: Record<string, string> = {}
  for (const ref of (await box.record('VM', vm))['VBDs'] as string[]) {
    const { type, userdevice, VDI } = await box.record('VBD', ref)
    if (type === 'Disk') paths[String(userdevice)] = await box.text('VDI.get_uuid', String(VDI))
  }
  return paths
}

describe.each(['fake', 'norevert'])('what Apache CloudStack does to revert a VM snapshot, on driver %s', type => {
  test('finds every volume again', async () => {
    const name = `i-2-${type}-VM`
    const sr = await box.makeSr(type)
    const vm = await box.makeVm(name)
    const [root, data] = [await box.makeVdi(sr), await box.makeVdi(sr)]
    await box.addDrive(vm, root, { userdevice: '0' })
    await box.addDrive(vm, data, { userdevice: '1' })
    await box.write(root, 'root before')
    await box.write(data, 'data before')
    const snapshotName = `${name}_VS_20261123`
    await box.text('VM.snapshot', vm, snapshotName)
    await box.write(root, 'root after')
    await box.write(data, 'data after')
    const before = await volumePaths(name)

    const [snapshot = ''] = (await box.api.call('VM.get_by_name_label', snapshotName)) as string[]
    const { uuid: snapshotUUID } = await box.record('VM', snapshot)
    const [host = ''] = (await box.api.call('host.get_all')) as string[]
    const args = {
      snapshotUUID: String(snapshotUUID),
      vmName: name,
      oldVmUuid: await box.text('VM.get_uuid', vm),
      snapshotMemory: 'false',
      hostUUID: await box.text('host.get_uuid', host),
    }
    expect(await box.text('host.call_plugin', host, 'vmopsSnapshot', 'revert_memory_snapshot', args)).toBe('0')
    const after = await volumePaths(name)
    await box.api.call('VM.destroy', snapshot)

    expect(Object.keys(after)).toEqual(['0', '1'])
    if (type === 'fake') expect(after).toEqual(before)
    else expect(Object.values(after).filter(uuid => Object.values(before).includes(uuid))).toEqual([])
    for (const [device, content] of [
      ['0', 'root before'],
      ['1', 'data before'],
    ] as const) {
      expect(await box.read(await box.text('VDI.get_by_uuid', after[device] ?? ''))).toBe(content)
    }
    expect((await failureOf(box.record('VM', snapshot)))[0]).toBe('HANDLE_INVALID')
  })
})
