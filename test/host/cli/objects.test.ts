import { chownSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MIB, Workbench, type VdiJson } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = new Workbench()
  await bench.ok('sr-create', 'store', '--location', 'disks')
})

afterAll(() => {
  bench.remove()
})

interface SrJson {
  readonly uuid: string
  readonly ref: string
  readonly name_label: string
  readonly type: string
  readonly physical_size: number
  readonly pbd: { readonly currently_attached: boolean; readonly device_config: Record<string, string> } | null
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

test('a repository is made, listed, detached, attached again and destroyed', async () => {
  const uuid = await bench.ok(
    'sr-create',
    '--name-label',
    'second',
    '--device-config',
    `location=${bench.path('more')}`,
  )
  expect(uuid).toMatch(UUID)
  const find = async () => (await bench.json<SrJson[]>('sr-list')).find(sr => sr.uuid === uuid)
  expect(await find()).toMatchObject({ name_label: 'second', type: 'file', pbd: { currently_attached: true } })
  expect(await bench.ok('sr-list')).toMatch(new RegExp(`${uuid} +second +file +yes`))

  await bench.ok('pbd-unplug', 'second')
  expect(await find()).toMatchObject({ pbd: { currently_attached: false } })
  const detached = await bench.sm(['vdi-create', 'second', 'disk', '--size', '4MiB'])
  expect(detached).toMatchObject({ code: 1 })
  expect(detached.stderr).toMatch(/SR_HAS_NO_PBDS[^]*sm pbd-plug/)

  await bench.ok('sr-attach', 'second')
  const disk = await bench.ok('vdi-create', 'second', 'disk', '--size', '4MiB')
  await bench.ok('sr-detach', 'second')
  const trees = await bench.sm(['tree'])
  expect(trees).toMatchObject({ code: 0, stdout: expect.stringContaining('store (file)') as unknown })
  expect(trees.stderr).toContain(`sm pbd-plug ${uuid}`)
  const notEmpty = await bench.sm(['sr-destroy', 'second'])
  expect(notEmpty).toMatchObject({ code: 1 })
  expect(notEmpty.stderr).toMatch(/SR_NOT_EMPTY[^]*sm vdi-destroy/)

  await bench.ok('pbd-plug', 'second')
  await bench.ok('vdi-destroy', disk)
  const attached = await bench.sm(['sr-destroy', 'second'])
  expect(attached.stderr).toMatch(/SR_HAS_PBD[^]*sm pbd-unplug/)
  await bench.ok('pbd-unplug', 'second')
  await bench.ok('sr-destroy', 'second')
  expect(await find()).toBeUndefined()
})

test('forgetting a repository leaves its files', async () => {
  await bench.ok('sr-create', 'forgotten', '--location', 'kept')
  const disk = await bench.ok('vdi-create', 'forgotten', 'disk', '--size', '4MiB')
  await bench.ok('pbd-unplug', 'forgotten')
  await bench.ok('sr-forget', 'forgotten')
  expect(readdirSync(bench.path('kept'))).toContain(`${disk}.vhd`)
  expect((await bench.json<SrJson[]>('sr-list')).map(sr => sr.name_label)).not.toContain('forgotten')
})

test('a directory that is not empty becomes no repository', async () => {
  mkdirSync(bench.path('occupied'))
  writeFileSync(bench.path('occupied', 'letter.txt'), 'dear')
  const outcome = await bench.sm(['sr-create', 'bad', '--location', 'occupied'])
  expect(outcome).toMatchObject({ code: 1 })
  expect(outcome.stderr).toMatch(/FileSRCreate \(61\)[^]*absent or empty/)
  expect(readFileSync(bench.path('occupied', 'letter.txt'), 'utf8')).toBe('dear')
})

test('disks are named by uuid, beginning of the uuid, reference and name', async () => {
  const disk = await bench.json<VdiJson>('vdi-create', 'store', 'named', '--size', '4MiB')
  for (const name of [disk.uuid, disk.uuid.slice(0, 13), disk.uuid.toUpperCase(), disk.ref, 'named']) {
    expect((await bench.json<VdiJson>('info', name)).uuid).toBe(disk.uuid)
  }
})

test('an ambiguous name is refused with all candidates, and the disk is meant where only a disk makes sense', async () => {
  const disk = await bench.ok('vdi-create', 'store', 'twin', '--size', '4MiB')
  const snapshot = await bench.ok('vdi-snapshot', 'twin')
  const other = await bench.ok('vdi-create', 'store', 'other-twin', '--size', '4MiB')
  await bench.ok('vdi-resize', 'twin', '6MiB')
  expect((await bench.json<VdiJson>('info', disk)).virtual_size).toBe(6 * MIB)
  const outcome = await bench.sm(['vdi-destroy', other, 'twin'])
  expect(outcome).toMatchObject({ code: 1 })
  for (const text of ['means more than one', disk, snapshot, 'snapshot, 20']) expect(outcome.stderr).toContain(text)
  expect((await bench.json<VdiJson>('info', other)).uuid).toBe(other)
})

test('an unknown name is answered with similar ones', async () => {
  const uuid = await bench.ok('vdi-create', 'store', 'database-of-2026', '--size', '4MiB')
  const outcome = await bench.sm(['info', 'Database'])
  expect(outcome).toMatchObject({ code: 1 })
  expect(outcome.stderr).toMatch(new RegExp(`there is no VDI 'Database'[^]*Did you mean[^]*${uuid}`))
})

test('lists and trees show whole records as JSON', async () => {
  const disk = await bench.json<VdiJson>('vdi-create', 'store', 'recorded', '--size', '4MiB')
  const snapshot = await bench.json<VdiJson>('vdi-snapshot', 'recorded', 'recorded-before')
  const vdis = await bench.json<VdiJson[]>('vdi-list', '--sr', 'store')
  expect(vdis.every(vdi => vdi.kind !== 'base copy')).toBe(true)
  expect(vdis.find(vdi => vdi.uuid === snapshot.uuid)).toMatchObject({
    kind: 'snapshot',
    name_label: 'recorded-before',
    is_a_snapshot: true,
    snapshot_of: disk.ref,
    virtual_size: 4 * MIB,
  })
  const tree = await bench.ok('tree', 'store', '--json')
  expect(JSON.parse(tree)).toMatchObject({ name_label: 'store', type: 'file' })
  expect(tree).toContain(`"snapshot_of": "${disk.uuid}"`)
})

test('control characters in names reach no terminal', async () => {
  const name = 'evil\u202e\u008531m\tname'
  await bench.ok('vdi-create', 'store', 'harmless', '--size', '4MiB')
  const snapshot = await bench.json<VdiJson>('vdi-snapshot', 'harmless', name)
  expect(snapshot.name_label).toBe(name)
  for (const args of [['vdi-list'], ['tree', 'store'], ['info', snapshot.uuid]]) {
    const shown = await bench.ok(...args)
    expect(shown).toContain('evil\\u202e\\x8531m\\x09name')
    expect(shown).not.toMatch(/[\u202e\u0085\t]/)
  }
})

test('names that look like options, paths or shell code are only names', async () => {
  for (const name of ['$(touch pwned)', '; rm -rf *', '../../escape']) {
    const uuid = await bench.ok('vdi-create', 'store', name, '--size', '2MiB')
    expect(await bench.ok('vdi-snapshot', name)).toMatch(UUID)
    expect(readdirSync(bench.path('disks'))).toContain(`${uuid}.vhd`)
  }
  expect(readdirSync(bench.folder)).not.toContain('pwned')
})

test('two commands at the same time both succeed', async () => {
  const outcomes = await Promise.all(
    ['left', 'right'].map(name => bench.sm(['vdi-create', 'store', name, '--size', '4MiB'])),
  )
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0])
  const names = (await bench.json<VdiJson[]>('vdi-list')).map(vdi => vdi.name_label)
  expect(names).toEqual(expect.arrayContaining(['left', 'right']))
})

test('a driver is called by hand; a fault ends with exit code 1 and its name', async () => {
  const scan = await bench.json<{ request: Record<string, unknown>; answer: unknown }>(
    'call',
    'FileSR',
    'sr_scan',
    '--sr',
    'store',
  )
  expect(scan.answer).toEqual({ value: null })
  expect(scan.request).toMatchObject({ command: 'sr_scan', session_ref: '******' })
  const fault = await bench.sm(['call', 'FileSR', 'vdi_compose', '--sr', 'store'])
  expect(fault).toMatchObject({ code: 1 })
  expect(fault.stdout).toContain('fault 143: BadRequest')
  expect((await bench.sm(['call', '../../bin/sh', 'sr_scan'])).code).toBe(2)
})

test('state is kept in a folder that only its owner can enter', async () => {
  const env = { SM_ROOT: undefined, XDG_STATE_HOME: bench.path('state') }
  const outcome = await bench.sm(['sr-list'], { env })
  expect(outcome).toMatchObject({ code: 0, stdout: '' })
  expect(statSync(bench.path('state', 'sm')).mode & 0o777).toBe(0o700)
  expect((await bench.sm(['info'], { env })).stdout).toContain(bench.path('state', 'sm', 'var', 'log', 'sm.log'))
})

test('a scan tells what came and what went, and warns where all is gone', async () => {
  await bench.ok('sr-create', 'scanned', '--location', 'scanned')
  const uuid = await bench.ok('vdi-create', 'scanned', 'precious', '--size', '4MiB')
  expect((await bench.sm(['sr-scan', 'scanned'])).stderr).toMatch(/: 1 images in the database\n$/)
  const [file, elsewhere] = [bench.path('scanned', `${uuid}.vhd`), bench.path('elsewhere.vhd')]
  renameSync(file, elsewhere)
  expect((await bench.sm(['sr-scan', 'scanned'])).stderr).toMatch(/0 images in the database, 1 forgotten\n.*mounted/)
  renameSync(elsewhere, file)
  expect((await bench.sm(['sr-scan', 'scanned'])).stderr).toMatch(/: 1 images in the database, 1 new\n$/)
})

test('a snapshot is shown with the name of its disk, or as one whose disk is gone', async () => {
  const disk = await bench.ok('vdi-create', 'store', 'shown', '--size', '2MiB')
  const snapshot = await bench.ok('vdi-snapshot', 'shown', 'of shown')
  expect(await bench.ok('info', snapshot)).toMatch(new RegExp(`snapshot of +shown \\(${disk.slice(0, 8)}\\)`))
  await bench.ok('vdi-destroy', disk)
  expect(await bench.ok('info', snapshot)).toMatch(/snapshot of +a disk that is gone/)
})

test.skipIf(process.getuid?.() !== 0)('a repository that is made but cannot be attached is no success', async () => {
  mkdirSync(bench.path('theirs'))
  chownSync(bench.path('theirs'), 65534, 65534)
  const withoutRights = ['setpriv', '--inh-caps=-fowner,-sys_admin', '--bounding-set=-fowner,-sys_admin', '--']
  const outcome = await bench.sm(['sr-create', 'theirs', '--location', 'theirs'], { through: withoutRights })
  expect(outcome.code).toBe(1)
  expect(outcome.stdout.trim()).toMatch(UUID)
  expect(outcome.stderr).toContain(`sm pbd-plug ${outcome.stdout.trim()}`)
  expect(outcome.stderr).toContain('EPERM')
  await bench.ok('pbd-plug', 'theirs')
  await bench.ok('pbd-unplug', 'theirs')
  await bench.ok('sr-destroy', 'theirs')
})
