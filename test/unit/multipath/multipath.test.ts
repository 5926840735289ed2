import { existsSync, mkdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { chooseMultipath } from '../../../lib/multipath/chooseMultipath.ts'
import { isMultipathing } from '../../../lib/multipath/Multipath.ts'
import { namesForLvm } from '../../../lib/multipath/names.ts'
import { fcHost, LUN_A, type Answer, type Tool } from '../scsi/support.ts'

const HELP = 'multipath-tools\n  switchgroup map|multipath $map group $group\n'
const UNTOLD = 'is not a multipath device'

/** A host whose multipath-tools make and flush the map of LUN A; `tools` override single options of `multipath`. */
function multipathHost(tools: Readonly<Record<string, Tool>> = {}, others: Readonly<Record<string, Tool>> = {}) {
  const map = () => path.join(host.root, 'dev/mapper', LUN_A)
  const link = () => path.join(host.root, 'dev/disk/by-scsid', LUN_A, 'mapper')
  const make = () => {
    mkdirSync(path.dirname(map()), { recursive: true })
    writeFileSync(map(), '')
    writeFileSync(link(), '')
    return ''
  }
  const flush = () => {
    if (!existsSync(map())) return { exitCode: 1, stdout: `${LUN_A} ${UNTOLD}` }
    rmSync(map())
    rmSync(link())
    return ''
  }
  const options: Record<string, Tool> = {
    '-l': () => (existsSync(map()) ? `${LUN_A} dm-0 EXAMPLE,LUN\n` : ''),
    '-ll': () => '',
    '-r': make,
    '-f': flush,
    ...tools,
  }
  const multipath: Tool = ([option = '', ...args], input) => options[option]?.(args, input) ?? ''
  const host = fcHost({ multipath, multipathd: () => HELP, ...others })
  const commands = () => host.commands.filter(line => line.startsWith('multipath '))
  return { ...host, make, multipath: () => chooseMultipath(host.deps, true), commands, map }
}

const inUse = (host: { root: string }) => path.join(host.root, 'dev/disk/mpInuse', LUN_A)

test('a host multipaths if its record or both keys of the request say so', () => {
  expect(isMultipathing({}, { multipathing: 'true' })).toBe(true)
  expect(isMultipathing({}, {})).toBe(false)
  expect(isMultipathing({}, { multipathing: 'yes' })).toBe(false)
  expect(isMultipathing({ multipathing: 'false' }, { multipathing: 'true' })).toBe(true)
  expect(isMultipathing({ multipathing: 'false', multipathhandle: 'dmp' }, { multipathing: 'true' })).toBe(false)
  expect(isMultipathing({ multipathing: 'true', multipathhandle: 'dmp' }, {})).toBe(true)
})

test('without multipathing nothing is run, and the device is the one by its id', async () => {
  const host = fcHost()
  const off = await chooseMultipath(host.deps, false)
  await off.activate()
  await off.refresh('')
  await off.reset(LUN_A)
  expect([await off.path(LUN_A), await off.hasMap(LUN_A)]).toEqual([
    path.join(host.root, `dev/disk/by-id/scsi-${LUN_A}`),
    false,
  ])
  expect(host.commands).toEqual([])
})

test('a refresh makes the map and the link by which it is in use', async () => {
  const host = multipathHost()
  const multipath = await host.multipath()
  await multipath.refresh(LUN_A)
  expect(host.commands()).toEqual([
    `multipath -l ${LUN_A}`,
    `multipath -ll ${LUN_A}`,
    `multipath -a ${LUN_A}`,
    'multipath -c /dev/sdb',
    `multipath -r ${LUN_A}`,
  ])
  expect(readlinkSync(inUse(host))).toBe(host.map())
  expect(await multipath.path(LUN_A)).toBe(inUse(host))
  expect(await multipath.hasMap(LUN_A)).toBe(true)
})

test('a refresh of a disk that has its map leaves it as it is', async () => {
  const host = multipathHost()
  host.make()
  await (await host.multipath()).refresh(LUN_A)
  expect(host.commands()).toEqual([`multipath -l ${LUN_A}`])
  expect(readlinkSync(inUse(host))).toBe(host.map())
})

test('a disk that the configuration leaves out is used without multipathing', async () => {
  const host = multipathHost({ '-c': () => ({ exitCode: 1, stdout: 'DM_MULTIPATH_DEVICE_PATH="0"\n' }) })
  const multipath = await host.multipath()
  await multipath.refresh(LUN_A)
  expect(existsSync(inUse(host))).toBe(false)
  expect(await multipath.path(LUN_A)).toBe(path.join(host.root, `dev/disk/by-id/scsi-${LUN_A}`))
})

test('a disk whose paths have no names is used without multipathing', async () => {
  const host = multipathHost()
  host.remove(`dev/disk/by-scsid/${LUN_A}`)
  await (await host.multipath()).refresh(LUN_A)
  expect(host.commands()).toEqual([])
})

test('a refresh fails where no id is given (434)', async () => {
  await expect((await multipathHost().multipath()).refresh('')).rejects.toMatchObject({ code: 434 })
})

test('a refresh fails where no path is usable (431), and forgets the disk', async () => {
  const host = multipathHost({ '-c': () => 1 })
  await expect((await host.multipath()).refresh(LUN_A)).rejects.toMatchObject({ code: 431 })
  expect(host.commands().at(-1)).toBe(`multipath -w ${LUN_A}`)
})

test('a refresh fails where the disk does not appear, after looking for it on every host (433)', async () => {
  const host = multipathHost()
  host.remove(`dev/disk/by-id/scsi-${LUN_A}`)
  let now = 0
  const deps = { ...host.deps, system: { ...host.deps.system, now: () => (now += 10_000) } }
  await expect((await chooseMultipath(deps, true)).refresh(LUN_A)).rejects.toMatchObject({ code: 433 })
  expect(host.written('sys/class/scsi_host/host10/scan')).toBe('- - -')
})

test('a refresh fails where no map comes (432)', async () => {
  const host = multipathHost({ '-r': () => '' })
  let now = 0
  const deps = { ...host.deps, system: { ...host.deps.system, now: () => (now += 10_000) } }
  await expect((await chooseMultipath(deps, true)).refresh(LUN_A)).rejects.toMatchObject({ code: 432 })
  expect(existsSync(inUse(host))).toBe(false)
})

test('making a map is tried three times', async () => {
  const left: Answer[] = [5, 5]
  const host = multipathHost({ '-r': () => left.shift() ?? host.make() })
  await (await host.multipath()).refresh(LUN_A)
  expect(existsSync(inUse(host))).toBe(true)
  const hopeless = multipathHost({ '-r': () => 5 })
  await expect((await hopeless.multipath()).refresh(LUN_A)).rejects.toThrow('-r')
  expect(hopeless.commands().filter(line => line.startsWith('multipath -r'))).toHaveLength(3)
})

test('a reset flushes the map and forgets the disk', async () => {
  const host = multipathHost()
  const multipath = await host.multipath()
  await multipath.refresh(LUN_A)
  host.commands().length = 0
  await multipath.reset(LUN_A)
  expect(host.commands().slice(-3)).toEqual([`multipath -w ${LUN_A}`, `multipath -f ${LUN_A}`, 'multipath -W'])
  expect([existsSync(host.map()), existsSync(inUse(host))]).toEqual([false, false])
})

test.each([UNTOLD, 'device not found'])('a reset of a disk without a map does nothing: %s', async text => {
  const host = multipathHost({ '-f': () => ({ exitCode: 1, stdout: `${LUN_A} ${text}` }) })
  await (await host.multipath()).reset(LUN_A)
  expect(host.commands().filter(line => line.startsWith('multipath -f'))).toHaveLength(1)
})

test('a map that is in use fails a reset, after three tries', async () => {
  const host = multipathHost({ '-f': () => ({ exitCode: 1, stdout: 'map in use' }) })
  await expect((await host.multipath()).reset(LUN_A)).rejects.toThrow('map in use')
  expect(host.commands().filter(line => line.startsWith('multipath -f'))).toHaveLength(3)
})

test('a reset without the daemon leaves the map, and says so', async () => {
  const host = multipathHost({}, { pidof: () => 1 })
  host.make()
  await (await host.multipath()).reset(LUN_A)
  expect(host.commands()).toEqual([])
  expect(host.warnings.join()).toContain('multipathd does not run')
})

test('activation starts the daemon and waits until it answers', async () => {
  const answers: Answer[] = ['', 'timeout\n', HELP]
  const host = fcHost({ pidof: () => 1, multipathd: () => answers.shift() ?? HELP })
  await (await chooseMultipath(host.deps, true)).activate()
  expect(host.commands).toEqual(['pidof multipathd', 'multipathd', 'multipathd -k help', 'multipathd -k help'])
})

test('activation fails where the daemon does not answer or start (430)', async () => {
  let now = 0
  const silent = fcHost({ multipathd: () => 'error\n' })
  const deps = { ...silent.deps, system: { ...silent.deps.system, now: () => (now += 50_000) } }
  await expect((await chooseMultipath(deps, true)).activate()).rejects.toMatchObject({ code: 430 })
  const broken = fcHost({ pidof: () => 1, multipathd: () => 1 })
  await expect((await chooseMultipath(broken.deps, true)).activate()).rejects.toMatchObject({ code: 430 })
})

test('LVM is given the map while it is in use, else one path and no other', async () => {
  const host = multipathHost()
  const short = async () => (await namesForLvm(host.deps, LUN_A)).map(name => name.replace(`${host.root}/dev/`, ''))
  const byId = path.join(host.root, `dev/disk/by-id/scsi-${LUN_A}`)
  writeFileSync(path.join(host.root, 'dev/sdc'), '')
  rmSync(byId)
  symlinkSync('../../sdc', byId)
  expect(await short()).toEqual(['sdc', `disk/by-scsid/${LUN_A}/sdc`])
  await (await host.multipath()).refresh(LUN_A)
  expect(await short()).toEqual([`mapper/${LUN_A}`, `disk/mpInuse/${LUN_A}`, `disk/by-scsid/${LUN_A}/mapper`])
})
