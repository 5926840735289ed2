import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { connectXapi } from '../../../lib/xapi/XapiEndpoint.ts'
import { Box } from './box.ts'
import { bundleServe } from './serveBundle.ts'

const fixtures = fileURLToPath(new URL('../../fixtures/plugins', import.meta.url))

let folder: string
let program: string
let box: Box
let vm: string
let snapshot: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'toolstack-kills-'))
  program = await bundleServe()
  box = await Box.open()
  const sr = await box.makeSr('norevert')
  vm = await box.makeVm()
  const disk = await box.makeVdi(sr)
  await box.addDrive(vm, disk)
  await box.write(disk, 'before')
  snapshot = await box.text('VM.snapshot', vm, 'snap')
  await box.write(disk, 'after')
  await box.toolstack.close()
  await cp(box.root, path.join(folder, 'saved'), { recursive: true })
})
afterAll(async () => {
  await box.close()
  await rm(folder, { recursive: true })
  await rm(program)
})

/** The state before the revert. */
async function rewind(): Promise<void> {
  await rm(box.root, { recursive: true })
  await cp(path.join(folder, 'saved'), box.root, { recursive: true })
}

async function serve(fist: string): Promise<ChildProcess> {
  const env = { ...process.env, SM_FIST: fist, VITEST: 'true' }
  const args = [program, box.root, path.join(fixtures, 'sm')]
  const server = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  await Promise.race([once(server.stdout, 'data'), once(server, 'exit')])
  return server
}

/** Reverts the VM in a toolstack of its own process; false where that did not live to answer. */
async function revert(server: ChildProcess): Promise<boolean> {
  const endpoint = connectXapi(undefined, { effects: new Effects(''), paths: new Paths(box.root) })
  try {
    const session = await endpoint.loginLocal()
    await session.call('VM.revert', snapshot)
    return true
  } catch (error) {
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
    if (server.signalCode !== 'SIGKILL') throw error
    return false
  } finally {
    await endpoint.close()
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  server.kill('SIGKILL')
  await once(server, 'exit')
}

/**
 * Indexes of the effects of a revert by clone in the toolstack that others can see: a plugin that is run, a state file that
 * takes its place. Being killed before any other effect is being killed before the next of these.
 */
async function effectsOfRevert(): Promise<number[]> {
  const trace = path.join(folder, 'trace')
  await rewind()
  const server = await serve(`trace:${trace}`)
  const lines = async () => (await readFile(trace, 'utf8')).trim().split('\n')
  const before = (await lines()).length
  expect(await revert(server)).toBe(true)
  const visible = (await lines()).slice(before).filter(line => /^\d+ (process|file rename) /.test(line))
  await stop(server)
  return visible.map(line => Number(line.split(' ')[0]))
}

test('a toolstack that dies in a revert by clone leaves the VM with its old or its new content', async () => {
  const effects = await effectsOfRevert()
  expect(effects.length).toBeGreaterThanOrEqual(5)
  const contents = new Set<string>()
  for (const index of effects) {
    await rewind()
    const server = await serve(`effect:${index}`)
    const isDone = await revert(server)
    await stop(server)
    await box.restart()
    const disk = (await box.disksOf(vm))['0'] ?? ''
    const content = await box.read(disk)
    expect(isDone ? ['before'] : ['before', 'after'], `killed before effect ${index}`).toContain(content)
    contents.add(content)
    await box.api.call('VM.revert', snapshot)
    expect(await box.read((await box.disksOf(vm))['0'] ?? ''), `again after ${index}`).toBe('before')
    await box.toolstack.close()
  }
  expect([...contents].sort()).toEqual(['after', 'before'])
}, 300_000)
