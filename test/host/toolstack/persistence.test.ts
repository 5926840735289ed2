import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { startToolstack, ToolstackBusyError } from '../../../lib/toolstack/toolstack.ts'
import { connectXapi } from '../../../lib/xapi/XapiEndpoint.ts'
import { Box } from './box.ts'
import { bundleServe } from './serveBundle.ts'

let box: Box
beforeEach(async () => {
  box = await Box.open()
})
afterEach(async () => {
  await box.close()
})

const stateFile = () => path.join(box.root, 'var/lib/sm/toolstack/state.json')

test('a restart keeps every object under its reference', async () => {
  const sr = await box.makeSr()
  const vdi = await box.makeVdi(sr, { other_config: { a: 'b' } })
  const snapshot = await box.text('VDI.snapshot', vdi)
  const classes = ['pool', 'host', 'SM', 'SR', 'PBD', 'VDI', 'VM']
  const all = () => Promise.all(classes.map(name => box.api.call(`${name}.get_all_records`)))
  const before = await all()
  await box.restart()
  expect(await all()).toEqual(before)
  await box.api.call('VDI.revert', snapshot)
})

test('a start without changes writes nothing and asks no plugin again', async () => {
  const before = await stat(stateFile(), { bigint: true })
  const effects: string[] = []
  const system = makeSystem(new Effects('', (_, kind, detail) => effects.push(`${kind} ${detail}`)))
  await box.toolstack.close()
  await box.restart({ system })
  expect((await stat(stateFile(), { bigint: true })).mtimeNs).toBe(before.mtimeNs)
  const asked = effects.filter(effect => effect.startsWith('process')).map(effect => path.basename(effect))
  expect(asked).toEqual(['BrokenSR'])
})

test('a driver that is gone is forgotten', async () => {
  await box.restart({ smDir: path.join(box.root, 'none') })
  expect(await box.api.call('SM.get_all')).toEqual([])
})

test('event tokens from before a restart still work', async () => {
  const from = async (token: string) =>
    (await box.api.call('event.from', ['pool'], token, 0)) as { token: string; events: unknown[] }
  const { token } = await from('')
  await box.restart()
  const { token: later } = await from('')
  expect(Number(later)).toBeGreaterThan(Number(token))
})

test('operations that a crash cut off are no longer in progress', async () => {
  const sr = await box.makeSr()
  await box.toolstack.close()
  const document = JSON.parse(await readFile(stateFile(), 'utf8')) as { objects: { SR: Record<string, object> } }
  Object.assign(document.objects.SR[sr] ?? {}, { current_operations: { task: 'scan' } })
  await writeFile(stateFile(), JSON.stringify(document))
  await box.restart()
  expect(await box.record('SR', sr)).toMatchObject({ current_operations: {} })
})

test('neither sessions nor outputs of plugins stay on disk', async () => {
  await box.makeSr()
  const [run] = await box.runs('sr_attach')
  const session = /session_ref<\/name><value>([^<]*)/.exec(run?.argv[0] ?? '')?.[1] ?? 'none'
  expect(await readFile(stateFile(), 'utf8')).not.toContain(session)
  expect((await readdir(path.dirname(stateFile()))).sort()).toEqual(['state.json', 'state.json.lock'])
})

test('nobody else can read the state file, with the passwords in it, where others may look into its folder', async () => {
  await chmod(path.dirname(stateFile()), 0o755)
  await box.makeSr('fake', { chappassword: 'a secret' })
  expect(await readFile(stateFile(), 'utf8')).toContain('a secret')
  expect((await stat(stateFile())).mode & 0o777).toBe(0o600)
})

test('a second toolstack on the same state is refused', async () => {
  const options = { system: makeSystem(), paths: new Paths(box.root), smDir: box.root }
  await expect(startToolstack(options)).rejects.toThrow(ToolstackBusyError)
  expect(await box.api.call('pool.get_all')).toHaveLength(1)
})

test.each(['', '{', '[]', '{"format":2}', '{"format":1,"generation":0,"plugins":{},"objects":{"SR":{"r":1}}}'])(
  'a state file that holds %s is refused and left alone',
  async text => {
    await box.toolstack.close()
    await writeFile(stateFile(), text)
    await expect(box.restart()).rejects.toThrow()
    expect(await readFile(stateFile(), 'utf8')).toBe(text)
  },
)

test('when a write fails the client hears of it, and a later write brings what it missed', async () => {
  let broken = false
  const effects = new Effects('', (_, kind, detail) => {
    if (broken && kind === 'file' && detail.startsWith('rename')) throw new Error('disk is gone')
  })
  await box.restart({ system: makeSystem(effects) })
  const [pool = ''] = (await box.api.call('pool.get_all')) as string[]
  broken = true
  await expect(box.api.call('pool.set_name_label', pool, 'x')).rejects.toThrow('INTERNAL_ERROR: disk is gone')
  broken = false
  await box.restart()
  expect(await box.text('pool.get_name_label', pool)).toBe('x')
})

let bundle: string
beforeAll(async () => {
  bundle = await bundleServe()
})
afterAll(async () => {
  await rm(bundle)
})

async function serve(root: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [bundle, root, path.join(root, 'none')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  expect(String(said)).toBe('ready\n')
  return child
}

test('what was answered before a kill is there after it', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'killed-'))
  const names: string[] = []
  for (const name of ['one', 'two']) {
    const child = await serve(root)
    const endpoint = connectXapi(undefined, { effects: new Effects(''), paths: new Paths(root) })
    const session = await endpoint.loginLocal()
    const [pool = ''] = (await session.call('pool.get_all')) as string[]
    names.push((await session.call('pool.get_name_label', pool)) as string)
    await session.call('pool.set_name_label', pool, name)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await endpoint.close()
  }
  expect(names).toEqual(['', 'one'])
  await rm(root, { recursive: true })
})

test('nothing is attached after a reboot, and what was is plugged in again', async () => {
  await box.restart({ boot: 'one' })
  const [sr, broken] = [await box.makeSr(), await box.makeSr()]
  const [vm, asleep] = [await box.makeVm(), await box.makeVm()]
  const drive = await box.addDrive(vm, await box.makeVdi(sr))
  await box.addDrive(asleep, await box.makeVdi(sr))
  await box.api.call('VM.start', vm, false, false)
  await box.api.call('VM.start', asleep, false, false)
  await box.api.call('VM.set_suspend_SR', asleep, sr)
  await box.api.call('VM.suspend', asleep)
  await box.restart({ boot: 'one' })
  expect(await box.text('VM.get_power_state', vm)).toBe('Running')
  expect(await box.runs('sr_attach')).toHaveLength(2)
  await box.behave({ sr_attach: { fault: 47, times: 1 } })
  await box.restart({ boot: 'two' })
  expect(await box.text('VM.get_power_state', vm)).toBe('Halted')
  expect(await box.text('VM.get_power_state', asleep)).toBe('Suspended')
  expect(await box.record('VBD', drive)).toMatchObject({ currently_attached: false })
  const attached = async (ref: string) => {
    const [pbd = ''] = (await box.record('SR', ref))['PBDs'] as string[]
    return box.api.call('PBD.get_currently_attached', pbd)
  }
  expect([await attached(sr), await attached(broken)].sort()).toEqual([false, true])
  expect(box.log.join()).toContain('not plugged again after the reboot')
})
