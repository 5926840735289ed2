import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Xapi } from 'xen-api'
import { Box } from '../toolstack/box.ts'

let box: Box
beforeAll(async () => {
  box = await Box.open({ listen: { host: '127.0.0.1', port: 0, user: 'root', password: 'pass' } })
})
afterAll(async () => {
  await box.close()
})

function client(transport: 'json-rpc' | 'xml-rpc' | 'auto', watchEvents = true): Xapi {
  const url = (box.toolstack.tcpUrl ?? '').replace('//', '//root:pass@')
  return new Xapi({ url, transport, watchEvents })
}

async function prepare(type: string) {
  const sr = await box.makeSr(type)
  const vdi = await box.makeVdi(sr)
  const vm = await box.makeVm('guest', { other_config: { 'xo:backup:job': 'x' } })
  await box.addDrive(vm, vdi)
  await box.write(vdi, 'before')
  return { sr, vdi, vm }
}

describe.each(['auto', 'xml-rpc'] as const)('npm xen-api over %s', transport => {
  let xapi: Xapi
  beforeEach(async () => {
    xapi = client(transport)
    await xapi.connect()
    await xapi.objectsFetched
  })
  afterEach(async () => {
    await xapi.disconnect()
  })

  test('finds every object, with links to others', async () => {
    const { vm } = await prepare('fake')
    const barrier = await xapi.barrier(vm)
    expect(barrier.$type).toBe('VM')
    expect(xapi.pool.uuid).toMatch(/^[0-9a-f-]{36}$/)
    const types = new Set(Object.values(xapi.objects.all).map(object => object.$type))
    expect([...types]).toEqual(expect.arrayContaining(['SM', 'SR', 'VDI', 'VM', 'host', 'pool']))
    const drivers = Object.values(xapi.objects.all).filter(({ $type }) => $type === 'SM')
    const capable = drivers.filter(({ features }) => 'VDI_REVERT' in (features as object))
    expect(capable.map(driver => driver['type'])).toEqual(['fake'])
  })

  test('hears of the end of a task, and reads its result', async () => {
    const { vm } = await prepare('fake')
    const snapshot = await xapi.callAsync('VM.snapshot', vm, 'snap')
    expect(await box.text('VM.get_snapshot_of', String(snapshot))).toBe(vm)
    expect(await xapi.callAsync('VM.revert', snapshot)).toBe('')
    await expect(xapi.callAsync('VM.revert', vm)).rejects.toMatchObject({ code: 'REVERT_ONLY_ALLOWED_ON_SNAPSHOT' })
    await expect.poll(() => box.api.call('task.get_all'), { timeout: 30_000 }).toEqual([])
  })
})

test('without events it logs in, calls and leaves', async () => {
  const xapi = client('auto', false)
  await xapi.connect()
  const { vdi } = await prepare('fake')
  const snapshot = await xapi.call('VDI.snapshot', vdi)
  expect(await xapi.call('VDI.revert', snapshot)).toBe('')
  expect(await xapi.call('VDI.revert', snapshot, {})).toBe(vdi)
  await expect(xapi.call('VDI.revert', vdi)).rejects.toMatchObject({ code: 'REVERT_ONLY_ALLOWED_ON_SNAPSHOT' })
  await xapi.disconnect()
})

test('a wrong password is refused', async () => {
  const xapi = new Xapi({ url: (box.toolstack.tcpUrl ?? '').replace('//', '//root:wrong@'), watchEvents: false })
  await expect(xapi.connect()).rejects.toMatchObject({ code: 'SESSION_AUTHENTICATION_FAILED' })
})

describe.each(['fake', 'norevert'])('what Xen Orchestra does to revert a VM, on driver %s', type => {
  let xapi: Xapi
  beforeEach(async () => {
    xapi = client('auto')
    await xapi.connect()
    await xapi.objectsFetched
  })
  afterEach(async () => {
    await xapi.disconnect()
  })

  test('brings it back running, with its keys gone', async () => {
    const { vdi, vm } = await prepare(type)
    await xapi.call('VM.start', vm, false, false)
    const snapshot = String(await xapi.callAsync('VM.snapshot', vm, 'before the update'))
    const seen = await xapi.barrier(snapshot)
    expect(seen['allowed_operations']).toContain('revert')
    await xapi.callAsync('VM.snapshot', vm, 'safety snapshot')
    await box.write(vdi, 'after')

    await xapi.callAsync('VM.revert', snapshot)
    const reverted = await xapi.barrier(String(seen['snapshot_of']))
    expect(reverted.$ref).toBe(vm)
    await xapi.call('VM.remove_from_other_config', vm, 'xo:backup:job')
    const disks: string[] = []
    for (const vbd of reverted['VBDs'] as string[]) disks.push(String(await xapi.call('VBD.get_VDI', vbd)))
    for (const disk of disks) await xapi.call('VDI.remove_from_other_config', disk, 'xo:backup:job')
    const info = seen['snapshot_info'] as Record<string, string>
    if (info['power-state-at-snapshot'] === 'Running') await xapi.call('VM.start', vm, false, false)

    const record = await xapi.getRecord('VM', vm)
    expect(record).toMatchObject({ power_state: 'Running', other_config: {} })
    expect(await box.read(disks[0] ?? '')).toBe('before')
    expect(disks[0] === vdi).toBe(type === 'fake')
    const snapshots = (await xapi.call('VDI.get_snapshots', disks[0] ?? '')) as string[]
    expect(snapshots).toHaveLength(2)
  })
})
