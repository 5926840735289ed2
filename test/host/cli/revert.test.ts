import { randomBytes } from 'node:crypto'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Paths } from '../../../lib/os/paths.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { startToolstack, type Toolstack } from '../../../lib/toolstack/toolstack.ts'
import { connectXapi } from '../../../lib/xapi/XapiEndpoint.ts'
import { MIB, Workbench, type PlanJson, type VdiJson } from './workbench.ts'

interface History {
  readonly disk: VdiJson
  readonly snapshot: VdiJson
  readonly before: Buffer
  readonly after: Buffer
}

let bench: Workbench
let toolstack: Toolstack | undefined
/** For tests that change nothing of it; its disk is called `steady`. */
let steady: History

beforeAll(async () => {
  bench = new Workbench()
  await bench.ok('sr-create', 'store', '--location', 'disks')
  steady = await diskWithHistory('steady')
})

afterEach(async () => {
  await toolstack?.close()
  toolstack = undefined
})

afterAll(() => {
  bench.remove()
})

/** A disk of 4 MiB with a snapshot of it, then overwritten and grown to 6 MiB. */
async function diskWithHistory(name: string): Promise<History> {
  const before = randomBytes(4 * MIB)
  const after = randomBytes(6 * MIB)
  await importBytes(['--create', 'store', name], before)
  const snapshot = await bench.json<VdiJson>('vdi-snapshot', name, `${name}-before`)
  await bench.ok('vdi-resize', name, '6MiB')
  await importBytes([name], after)
  const disk = await bench.json<VdiJson>('info', name)
  return { disk, snapshot, before, after }
}

async function importBytes(args: readonly string[], bytes: Buffer): Promise<void> {
  const file = bench.path('input.raw')
  writeFileSync(file, bytes)
  await bench.ok('vdi-import', ...args, file)
}

async function contentOf(name: string): Promise<Buffer> {
  return (await bench.sm(['vdi-export', name])).bytes
}

/** Everything a change of the SR's directory would show in. */
function listing(): unknown[] {
  const directory = bench.path('disks')
  return readdirSync(directory).map(name => {
    const { ino, size, mtimeMs, nlink } = statSync(path.join(directory, name))
    return { name, ino, size, mtimeMs, nlink }
  })
}

/** A toolstack that stays, where `sm` finds it by itself. */
async function stayingToolstack(): Promise<Toolstack> {
  const paths = new Paths(bench.root)
  const smDir = path.resolve('bin')
  toolstack = await startToolstack({ system: makeSystem(), paths, smDir, env: { SM_LOG: bench.path('sm.log') } })
  return toolstack
}

/** As a collector leaves it that merged the base into the last snapshot on it. */
async function declareSnapshot(snapshot: VdiJson, disk: VdiJson): Promise<void> {
  const { url } = await stayingToolstack()
  const { effects } = makeSystem()
  const endpoint = connectXapi(url, { effects, paths: new Paths(bench.root) })
  const session = String(await endpoint.request('session.login_with_password', ['root', '', '1.0', 'test']))
  const caller = endpoint.session(session)
  const sr = String(await caller.call('VDI.get_SR', disk.ref))
  await caller.call('session.add_to_other_config', session, '_sm_session', sr)
  await caller.call('VDI.set_is_a_snapshot', snapshot.ref, true)
  await caller.call('VDI.set_snapshot_of', snapshot.ref, disk.ref)
  await endpoint.close()
}

test('a revert brings content and size back and keeps uuid, reference and name', async () => {
  const { disk, snapshot, before } = await diskWithHistory('reverted')
  const outcome = await bench.sm(['vdi-revert', 'reverted-before'])
  expect(outcome).toMatchObject({ code: 0 })
  expect(outcome.stderr).toContain('is back at snapshot reverted-before')
  const now = await bench.json<VdiJson>('info', 'reverted')
  expect(now).toMatchObject({ uuid: disk.uuid, ref: disk.ref, name_label: 'reverted', virtual_size: 4 * MIB })
  expect((await contentOf('reverted')).equals(before)).toBe(true)
  expect((await contentOf(snapshot.uuid)).equals(before)).toBe(true)
})

test('--keep-size grows the disk again; the rest of it is empty', async () => {
  const { before } = await diskWithHistory('kept')
  const now = await bench.json<VdiJson>('vdi-revert', 'kept-before', '--keep-size')
  expect(now.virtual_size).toBe(6 * MIB)
  expect((await contentOf('kept')).equals(Buffer.concat([before, Buffer.alloc(2 * MIB)]))).toBe(true)
})

test('--dry-run tells the plan and changes nothing', async () => {
  const { disk, snapshot, after } = steady
  const [tree, files] = [await bench.ok('tree', 'store', '--json'), listing()]
  const plan = await bench.json<PlanJson>('vdi-revert', 'steady-before', '--dry-run')
  expect(plan).toMatchObject({
    mode: 'relink',
    possible: true,
    snapshot: snapshot.uuid,
    target: disk.uuid,
    virtual_size_before: 6 * MIB,
    virtual_size_after: 4 * MIB,
    depth_before: 2,
    depth_after: 2,
    blockers: [],
  })
  expect(plan.space_needed).toBeGreaterThan(0)
  const text = await bench.ok('vdi-revert', 'steady-before', '--dry-run', '--keep-size')
  expect(text).toMatch(/relink: the disk becomes an empty child/)
  expect(text).toMatch(/6 MiB now, 4 MiB afterwards, then grown to 6 MiB/)
  expect(await bench.ok('tree', 'store', '--json')).toBe(tree)
  expect(listing()).toEqual(files)
  expect((await contentOf('steady')).equals(after)).toBe(true)
})

test('a snapshot that holds its data itself is split, as --dry-run foretells', async () => {
  const before = randomBytes(2 * MIB)
  await importBytes(['--create', 'store', 'holder'], before)
  const snapshot = await bench.json<VdiJson>('info', 'holder')
  const disk = await bench.json<VdiJson>('vdi-create', 'store', 'other', '--size', '4MiB')
  await declareSnapshot(snapshot, disk)

  const plan = await bench.json<PlanJson>('vdi-revert', snapshot.uuid, '--dry-run')
  expect(plan).toMatchObject({ mode: 'split', possible: true, depth_before: 1, depth_after: 2 })
  await bench.ok('vdi-revert', snapshot.uuid)
  expect((await contentOf(disk.uuid)).equals(before)).toBe(true)
  expect((await contentOf(snapshot.uuid)).equals(before)).toBe(true)
  const again = await bench.json<PlanJson>('vdi-revert', snapshot.uuid, '--dry-run')
  expect(again).toMatchObject({ mode: 'nothing', possible: true, space_needed: 0 })
})

test('a disk that is in use blocks the plan, the revert, the import and the export', async () => {
  const { disk, after } = steady
  const caller = (await stayingToolstack()).session()
  // This host, which cannot say whether it has the disk open: it has no plugin for that.
  const [host = ''] = (await caller.call('host.get_all')) as string[]
  await caller.call('VDI.add_to_sm_config', disk.ref, `host_${host}`, 'RW')

  const plan = await bench.sm(['vdi-revert', 'steady-before', '--dry-run'])
  expect(plan.code).toBe(1)
  expect(plan.stdout).toMatch(/Blocked by:\n {2}VDIInUse \(24\)/)
  const json = await bench.sm(['vdi-revert', 'steady-before', '--dry-run', '--json'])
  expect(json.code).toBe(1)
  expect((JSON.parse(json.stdout) as PlanJson).blockers).toMatchObject([{ error: 'VDIInUse', code: 24 }])

  for (const args of [
    ['vdi-revert', 'steady-before'],
    ['vdi-import', 'steady', bench.path('input.raw')],
    ['vdi-export', 'steady'],
  ]) {
    const outcome = await bench.sm(args)
    expect(outcome.code, args.join(' ')).toBe(1)
    expect(outcome.stderr).toMatch(/in use/i)
    expect(outcome.stderr).toMatch(/detach/)
  }
  await caller.call('VDI.remove_from_sm_config', disk.ref, `host_${host}`)
  expect((await contentOf('steady')).equals(after)).toBe(true)
})

test('a snapshot is not written to', async () => {
  const { snapshot, before } = steady
  const outcome = await bench.sm(['vdi-import', snapshot.uuid], { input: randomBytes(MIB) })
  expect(outcome.code).toBe(1)
  expect(outcome.stderr).toMatch(/is a snapshot and must not change[^]*vdi-clone/)
  expect((await contentOf(snapshot.uuid)).equals(before)).toBe(true)
})

test('a base copy is neither written to nor exported', async () => {
  const vdis = await bench.json<VdiJson[]>('vdi-list', '--all')
  const base = vdis.find(({ kind }) => kind === 'base copy')
  for (const command of ['vdi-import', 'vdi-export']) {
    const outcome = await bench.sm([command, base?.uuid ?? 'none'], { input: randomBytes(MIB) })
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain('is a hidden base copy')
  }
})

test('going back to a disk instead of a snapshot is explained', async () => {
  const { snapshot } = steady
  await bench.ok('vdi-clone', snapshot.uuid, 'separate')
  const disk = await bench.sm(['vdi-revert', 'steady'])
  expect(disk.code).toBe(1)
  expect(disk.stderr).toContain('is not a snapshot')
  expect(disk.stderr).toContain(snapshot.uuid)
  const clone = await bench.sm(['vdi-revert', 'separate'])
  expect(clone.stderr).toContain('It has none yet')
})

test('a snapshot whose disk is gone cannot be reverted to, but cloned', async () => {
  const { disk, snapshot, before } = await diskWithHistory('orphaned')
  await bench.ok('vdi-destroy', disk.uuid)
  const outcome = await bench.sm(['vdi-revert', 'orphaned-before'])
  expect(outcome.code).toBe(1)
  expect(outcome.stderr).toContain(`sm vdi-clone ${snapshot.uuid}`)
  const clone = await bench.ok('vdi-clone', snapshot.uuid, 'rescued')
  expect((await contentOf(clone)).equals(before)).toBe(true)
})

test.skipIf(process.geteuid?.() !== 0)('after a crash everything points to sr-scan, which settles it', async () => {
  const { before } = await diskWithHistory('crashed')
  const crash = await bench.sm(['vdi-revert', 'crashed-before'], { env: { SM_FIST: 'FileSR_revert_after_commit' } })
  expect(crash.code).toBe(1)
  expect(crash.stderr).toMatch(/SIGKILL[^]*sr-scan/)
  expect(readdirSync(bench.path('disks')).some(name => name.startsWith('revert_'))).toBe(true)
  for (const args of [
    ['vdi-revert', 'crashed-before', '--dry-run'],
    ['vdi-import', 'crashed', bench.path('input.raw')],
  ]) {
    const outcome = await bench.sm(args)
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain('sr-scan')
  }
  await bench.ok('sr-scan', 'store')
  expect(readdirSync(bench.path('disks')).some(name => name.startsWith('revert_'))).toBe(false)
  expect((await contentOf('crashed')).equals(before)).toBe(true)
})
