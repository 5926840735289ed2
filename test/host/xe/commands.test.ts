import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Box } from '../toolstack/box.ts'
import { ok, xe } from './run.ts'

let box: Box
beforeAll(async () => {
  box = await Box.open()
})
afterAll(async () => {
  await box.close()
})

const run = (...args: string[]) => ok(box, ...args)

/** An SR with a disk, by uuid. */
async function prepare(type = 'fake') {
  const sr = await run('sr-create', `type=${type}`, 'name-label=an SR', `device-config:dir=${box.root}`)
  const vdi = await run('vdi-create', `sr-uuid=${sr}`, 'name-label=a disk', 'virtual-size=4MiB')
  return { sr, vdi, ref: await box.text('VDI.get_by_uuid', vdi) }
}

describe('vdi-revert', () => {
  test('takes the disk back in place and says which it is', async () => {
    const { vdi, ref } = await prepare()
    await box.write(ref, 'before')
    const snapshot = await run('vdi-snapshot', `uuid=${vdi}`)
    await box.write(ref, 'after')
    expect(await run('vdi-revert', `snapshot-uuid=${snapshot}`)).toBe(vdi)
    expect(await box.read(ref)).toBe('before')
    expect(await run('vdi-revert', `uuid=${snapshot}`, 'driver-params:a=b')).toBe(vdi)
  })

  test('clones only where that is allowed', async () => {
    const { vdi } = await prepare('norevert')
    const snapshot = await run('vdi-snapshot', `uuid=${vdi}`)
    const refused = await xe(box, ['vdi-revert', `snapshot-uuid=${snapshot}`])
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('--allow-clone') as unknown })
    const clone = await run('vdi-revert', `snapshot-uuid=${snapshot}`, '--allow-clone')
    expect(clone).not.toBe(vdi)
    expect(await run('vdi-param-get', `uuid=${snapshot}`, 'param-name=snapshot-of')).toBe(clone)
  })

  test('explains why it is not possible, with names', async () => {
    const { vdi } = await prepare()
    expect(await xe(box, ['vdi-revert', `uuid=${vdi}`])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'Only a snapshot can be reverted to.\n',
    })
    const snapshot = await run('vdi-snapshot', `uuid=${vdi}`)
    const vm = await box.makeVm('holder')
    await box.addDrive(vm, await box.text('VDI.get_by_uuid', vdi))
    await box.api.call('VM.start', vm, false, false)
    const { stderr } = await xe(box, ['vdi-revert', `snapshot-uuid=${snapshot}`])
    expect(stderr).toBe(`The disk is in use.\nvdi: ${vdi} (a disk)\noperation: revert_from\n`)
  })

  test('passes on what a driver says', async () => {
    const { vdi } = await prepare()
    const snapshot = await run('vdi-snapshot', `uuid=${vdi}`)
    await box.behave({ vdi_revert: { fault: 46, text: 'not now' } })
    const { code, stderr } = await xe(box, ['vdi-revert', `snapshot-uuid=${snapshot}`])
    expect([code, stderr]).toEqual([1, 'Error code: SR_BACKEND_FAILURE_46\nError parameters: , not now, \n'])
    await box.behave({})
  })
})

test('a VM is snapshotted by name, reverted, and the snapshot goes', async () => {
  const { vdi, ref } = await prepare()
  const vm = await box.text('VM.get_uuid', await box.makeVm('web server'))
  const vbd = await run('vbd-create', `vm-uuid=${vm}`, `vdi-uuid=${vdi}`, 'device=0', 'bootable=true')
  await box.write(ref, 'before')
  const snapshot = await run('vm-snapshot', 'vm=web server', 'new-name-label=s1', 'new-name-description=first')
  await box.write(ref, 'after')
  await run('snapshot-revert', `snapshot-uuid=${snapshot}`)
  expect(await box.read(ref)).toBe('before')
  expect(await run('vbd-list', `vm-uuid=${vm}`, '--minimal')).toBe(vbd)
  expect(await run('snapshot-list', `snapshot-of=${vm}`, 'params=name-label', '--minimal')).toBe('s1')
  await run('vm-start', 'vm=web server')
  expect(await run('vm-list', `uuid=${vm}`, 'params=power-state', '--minimal')).toBe('Running')
  await run('vm-shutdown', 'vm=web server', '--force')
  await run('snapshot-destroy', `uuid=${snapshot}`)
  const refused = await xe(box, ['snapshot-revert', `uuid=${vm}`])
  expect(refused).toMatchObject({ code: 1, stderr: 'This operation can only be performed on a snapshot\n' })
})

test('lists look as users of xe know them', async () => {
  const { sr, vdi } = await prepare()
  expect(await run('vdi-list', `sr-uuid=${sr}`)).toBe(
    [
      `uuid ( RO)                : ${vdi}`,
      '          name-label ( RW): a disk',
      '    name-description ( RW): ',
      `             sr-uuid ( RO): ${sr}`,
      '        virtual-size ( RO): 4194304',
      '            sharable ( RO): false',
      '           read-only ( RO): false',
      '',
    ].join('\n'),
  )
  expect(await run('vdi-list', `uuid=${vdi}`, 'params=type,uuid')).toBe(
    [`uuid ( RO)    : ${vdi}`, '    type ( RO): user', ''].join('\n'),
  )
  expect(await run('vdi-list', 'uuid=none')).toBe('')
  expect(await run('pbd-list', `sr-uuid=${sr}`, 'params=device-config')).toContain(`dir: ${box.root}`)
})

test('minimal output can be taken apart again', async () => {
  const { vdi } = await prepare()
  await run('vdi-param-set', `uuid=${vdi}`, 'name-label=one, two\\three')
  expect(await run('vdi-list', `uuid=${vdi}`, 'params=name-label', '--minimal')).toBe('one\\, two\\\\three')
})

test('parameters of objects are read and changed', async () => {
  const { vdi } = await prepare()
  const get = (...more: string[]) => run('vdi-param-get', `uuid=${vdi}`, ...more)
  await run('vdi-param-set', `uuid=${vdi}`, 'other-config:a=1', 'other-config:b=2', 'name-description=text')
  await run('vdi-param-add', `uuid=${vdi}`, 'param-name=tags', 'param-key=red')
  await run('vdi-param-remove', `uuid=${vdi}`, 'param-name=other-config', 'param-key=a')
  expect(await get('param-name=other-config')).toBe('b: 2')
  expect(await get('param-name=other-config', 'param-key=b')).toBe('2')
  expect(await get('param-name=tags')).toBe('red')
  await run('vdi-param-clear', `uuid=${vdi}`, 'param-name=tags')
  expect(await run('vdi-param-list', `uuid=${vdi}`)).toMatch(/^ +name-description \( RW\): text$/m)
  const refused = await xe(box, ['vdi-param-set', `uuid=${vdi}`, 'virtual-size=1'])
  expect(refused).toMatchObject({ code: 1, stderr: 'virtual-size cannot be changed\n' })
})

test('disks are copied, grown, cloned and destroyed', async () => {
  const { sr, vdi, ref } = await prepare()
  await box.write(ref, 'content')
  const copy = await run('vdi-copy', `uuid=${vdi}`, `sr-uuid=${sr}`)
  expect(await box.read(await box.text('VDI.get_by_uuid', copy))).toBe('content')
  await run('vdi-resize', `uuid=${copy}`, 'disk-size=8MiB')
  expect(await run('vdi-param-get', `uuid=${copy}`, 'param-name=virtual-size')).toBe('8388608')
  const clone = await run('vdi-clone', `uuid=${vdi}`, 'new-name-label=clone')
  expect(await run('vdi-list', 'name-label=clone', '--minimal')).toBe(clone)
  await run('vdi-destroy', `uuid=${clone}`)
  expect(await run('vdi-list', 'name-label=clone', '--minimal')).toBe('')
  await run('sr-scan', `uuid=${sr}`)
})

test.each([
  [['vdi-fly'], "Unknown command: vdi-fly\nFor help, type 'xe help'\n"],
  [['vdi-revert'], 'Required parameter not found: snapshot-uuid\n'],
  [['vdi-revert', 'uuid'], "Syntax error: 'uuid' is not of the form key=value\n"],
  [['vdi-list', 'colour=red'], "Unknown field 'colour' of vdi; vdi-list params=all shows all\n"],
  [['sr-scan', 'uuid=none'], 'There is no object with this uuid.\ntype: SR\nuuid: none\n'],
  [['vdi-list', '--loud'], 'Unknown option: --loud\n'],
])('xe %j fails and says why', async (args, stderr) => {
  expect(await xe(box, args)).toEqual({ code: 1, stdout: '', stderr })
})

test('help shows every command and how one is used', async () => {
  expect(await run('help')).toContain('xe vdi-revert snapshot-uuid=UUID')
  expect(await run('vm-snapshot', '--help')).toMatch(/^usage: xe vm-snapshot /)
})
