import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Box } from './box.ts'

let box: Box
beforeEach(async () => {
  box = await Box.open()
})
afterEach(async () => {
  await box.close()
})

function member(name: string, content: string): string {
  return `<member><name>${name}</name>${content === '' ? '<value/>' : `<value>${content}</value>`}</member>`
}

/** The one argument of a run, with what differs every time replaced by its name. */
async function documentOf(command: string): Promise<string> {
  const [run] = await box.runs(command)
  const argument = run?.argv[0] ?? ''
  expect(run?.argv).toHaveLength(1)
  return argument
    .replace(/(<name>(host_ref|session_ref|subtask_of)<\/name><value>)OpaqueRef:[0-9a-f-]{36}/g, '$1$2')
    .replaceAll(box.root, '{root}')
}

function expectedDocument(command: string, members: string): string {
  return (
    `<methodCall><methodName>${command}</methodName><params><param><value><struct>${members}</struct></value>` +
    '</param></params></methodCall>'
  )
}

const common = (command: string, args: string) =>
  member('host_ref', 'host_ref') + member('command', command) + member('args', args)
const deviceConfig = member('device_config', `<struct>${member('SRmaster', 'true')}${member('dir', '{root}')}</struct>`)

test('vdi_create is sent in the words of xapi', async () => {
  const sr = await box.makeSr()
  await box.makeVdi(sr, { name_label: 'disk "A" & <co>\u0001', name_description: '' })
  const { uuid } = await box.record('SR', sr)
  const value = (text: string) => (text === '' ? '<value/>' : `<value>${text}</value>`)
  const label = 'disk &quot;A&quot; &amp; &lt;co&gt;'
  const args = ['4194304', label, '', '', 'false', '19700101T00:00:00Z', '', 'false'].map(value).join('')
  expect(await documentOf('vdi_create')).toBe(
    expectedDocument(
      'vdi_create',
      common('vdi_create', `<array><data>${args}</data></array>`) +
        deviceConfig +
        member('session_ref', 'session_ref') +
        member('sr_ref', sr) +
        member('vdi_type', 'user') +
        member('sr_uuid', String(uuid)) +
        member('vdi_sm_config', '<struct/>') +
        member('subtask_of', 'subtask_of'),
    ),
  )
})

test('vdi_revert names the snapshot as its disk and the target as its argument', async () => {
  const sr = await box.makeSr()
  const vdi = await box.makeVdi(sr)
  const snapshot = await box.text('VDI.snapshot', vdi)
  await box.api.call('VDI.revert', snapshot)
  const { uuid } = await box.record('SR', sr)
  const { uuid: snapshotUuid } = await box.record('VDI', snapshot)
  expect(await documentOf('vdi_revert')).toBe(
    expectedDocument(
      'vdi_revert',
      common('vdi_revert', `<array><data><value>${vdi}</value></data></array>`) +
        deviceConfig +
        member('session_ref', 'session_ref') +
        member('sr_ref', sr) +
        member('sr_uuid', String(uuid)) +
        member('vdi_ref', snapshot) +
        member('vdi_location', String(snapshotUuid)) +
        member('vdi_uuid', String(snapshotUuid)) +
        member('subtask_of', 'subtask_of') +
        member('vdi_on_boot', 'persist') +
        member('vdi_allow_caching', 'false'),
    ),
  )
})

test('a snapshot has driver_params even when there are none, and its disk is told to update itself', async () => {
  const vdi = await box.makeVdi(await box.makeSr())
  const snapshot = await box.text('VDI.snapshot', vdi, { epochhint: 'e' })
  const clone = await box.text('VDI.clone', vdi)
  expect(await documentOf('vdi_snapshot')).toContain(
    member('driver_params', `<struct>${member('epochhint', 'e')}</struct>`),
  )
  expect(await documentOf('vdi_clone')).toContain(member('driver_params', '<struct/>'))
  const updated = (await box.runs('vdi_update')).map(
    ({ argv }) => /vdi_ref<\/name><value>([^<]*)/.exec(argv[0] ?? '')?.[1],
  )
  expect(updated).toEqual([snapshot, clone])
})

test('sr_probe has no SR, and its answer reaches the client', async () => {
  const [host = ''] = (await box.api.call('host.get_all')) as string[]
  const answer = await box.text('SR.probe', host, { dir: box.root }, 'fake', { key: 'value' })
  expect(answer).toBe('<SRlist/>')
  expect(await documentOf('sr_probe')).toBe(
    expectedDocument(
      'sr_probe',
      common('sr_probe', '<array><data/></array>') +
        deviceConfig +
        member('session_ref', 'session_ref') +
        member('sr_sm_config', `<struct>${member('key', 'value')}</struct>`) +
        member('subtask_of', 'subtask_of'),
    ),
  )
})

test('plugins get no environment but the one of xapi and what points them here', async () => {
  process.env['SECRET_OF_THE_TEST'] = 'x'
  await box.restart({ env: { SM_FIST: 'a_point' } })
  delete process.env['SECRET_OF_THE_TEST']
  await box.makeSr()
  const [run] = await box.runs('sr_create')
  expect(run?.env).toEqual({
    PATH: expect.stringMatching('^/sbin:/usr/sbin:/bin:/usr/bin(:|$)') as unknown,
    ORIGINATOR: 'SM',
    SM_ROOT: box.root,
    SM_XAPI_URL: box.toolstack.url,
    SM_FIST: 'a_point',
    ...(process.env['SM_LOG'] === undefined ? {} : { SM_LOG: process.env['SM_LOG'] }),
    ...(process.env['SM_VHD_UTIL'] === undefined ? {} : { SM_VHD_UTIL: process.env['SM_VHD_UTIL'] }),
  })
  expect(run?.stdin).toBe('')
})

test('plugins get the variables of the public contract that this process has', async () => {
  const settings = {
    SM_LOG: 'none',
    SM_VHD_UTIL: 'embedded',
    SM_DATAPATH: 'nbd',
    SM_NBD_WRITE_THROUGH: 'true',
    SM_ISCSI_DATABASE: path.join(box.root, 'iscsi'),
  }
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value)
  try {
    await box.restart()
  } finally {
    vi.unstubAllEnvs()
  }
  await box.makeSr()
  const [run] = await box.runs('sr_create')
  expect(run?.env).toMatchObject(settings)
})

test('the sessions of plugins end with their calls', async () => {
  await box.makeSr()
  const [run] = await box.runs('sr_attach')
  const session = /session_ref<\/name><value>([^<]*)/.exec(run?.argv[0] ?? '')?.[1] ?? ''
  await expect(box.api.call('session.get_uuid', session)).rejects.toThrow('HANDLE_INVALID')
})

test('the task that a plugin names as its parent exists while it runs', async () => {
  const sr = await box.makeSr()
  await box.behave({ sr_scan: { waitFor: `${box.root}/go` } })
  const scan = box.api.call('SR.scan', sr)
  await expect.poll(async () => (await box.runs('sr_scan')).length).toBe(1)
  const [run] = await box.runs('sr_scan')
  const task = /subtask_of<\/name><value>([^<]*)/.exec(run?.argv[0] ?? '')?.[1] ?? ''
  expect(await box.record('task', task)).toMatchObject({ name_label: 'SR.scan', status: 'pending' })
  await box.behave({})
  await import('node:fs/promises').then(fs => fs.writeFile(`${box.root}/go`, ''))
  await scan
  await expect(box.record('task', task)).rejects.toThrow('HANDLE_INVALID')
})

test('the records of drivers tell what the drivers told', async () => {
  const records = Object.values((await box.api.call('SM.get_all_records')) as Record<string, Record<string, unknown>>)
  expect(records.map(({ type }) => type).sort()).toEqual(['fake', 'norevert'])
  expect(records.find(({ type }) => type === 'fake')).toMatchObject({
    name_label: 'fake name',
    vendor: 'fake vendor',
    version: '1.0',
    configuration: { dir: 'where' },
    features: { VDI_REVERT: 1, VDI_RESET_ON_BOOT: 2 },
    capabilities: expect.not.arrayContaining(['ATOMIC_PAUSE']) as unknown,
  })
  expect(box.log.join()).toContain('BrokenSR is not used')
})

test('the host is the one of the inventory that plugins read', async () => {
  const inventory = await readFile(`${box.root}/etc/xensource-inventory`, 'utf8')
  const [, hostUuid = ''] = /INSTALLATION_UUID='(.*)'/.exec(inventory) ?? []
  const [, domainUuid = ''] = /CONTROL_DOMAIN_UUID='(.*)'/.exec(inventory) ?? []
  const host = await box.text('host.get_by_uuid', hostUuid)
  const domain = await box.text('VM.get_by_uuid', domainUuid)
  expect(await box.record('VM', domain)).toMatchObject({ is_control_domain: true, resident_on: host })
})
