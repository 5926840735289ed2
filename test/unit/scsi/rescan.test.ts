import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { Paths } from '../../../lib/os/paths.ts'
import { rescanHosts } from '../../../lib/scsi/rescan.ts'
import { fcHost, LUN_A, LUN_B, ROOT_DISK, type Tool } from './support.ts'

const scanned = (host: ReturnType<typeof fcHost>, number: number) =>
  host.written(`sys/class/scsi_host/host${number}/scan`)
const told = (host: ReturnType<typeof fcHost>) =>
  host
    .written('proc/scsi/scsi')
    .replace('Attached devices:\n', '')
    .split(/(?=scsi )/)

test('only the named host is scanned, and a target whose list agrees is left as it is', async () => {
  const host = fcHost()
  await rescanHosts(host.deps, [1])
  expect([scanned(host, 1), scanned(host, 10)]).toEqual(['- - -', ''])
  expect(told(host)).toEqual([''])
})

test('a LUN that the target does not list any more goes, one that it lists besides comes', async () => {
  const host = fcHost({ sg_luns: () => '0000000000000000\n4100000000000000\n' })
  await rescanHosts(host.deps, [10])
  expect(told(host)).toEqual(['scsi remove-single-device 10 0 0 1', 'scsi add-single-device 10 0 0 16640'])
})

test('a LUN that has become another disk is replaced', async () => {
  const scsi_id: Tool = args => ((args.at(-1) ?? '').endsWith('-10:0:0:1') ? '36other\n' : `${LUN_A}\n`)
  const host = fcHost({ scsi_id })
  await rescanHosts(host.deps, [10])
  expect(told(host)).toEqual(['scsi remove-single-device 10 0 0 1', 'scsi add-single-device 10 0 0 1'])
})

test('what something is built on is not taken away', async () => {
  const host = fcHost({ sg_luns: () => '0000000000000000\n' })
  mkdirSync(path.join(host.root, 'sys/block/sde/holders/dm-0'), { recursive: true })
  await rescanHosts(host.deps, [10])
  expect(told(host)).toEqual([''])
  expect(host.warnings.join()).toContain(`sde (${LUN_B})`)
})

test('what is mounted, or has a partition in use, is not taken away', async () => {
  const host = fcHost({ sg_luns: () => '0000000000000000\n' })
  const isBusy = vi.spyOn(host.deps.system.files, 'isBusy').mockResolvedValue(true)
  await rescanHosts(host.deps, [10])
  expect(isBusy).toHaveBeenCalledWith(path.join(host.root, 'dev/sde'))
  expect(told(host)).toEqual([''])
})

test('a disk that does not say who it is stays', async () => {
  const host = fcHost({ scsi_id: () => 1 })
  await rescanHosts(host.deps, [10])
  expect(told(host)).toEqual([''])
})

test('a target that says it has no LUN, by one of its LUNs, is not believed', async () => {
  const host = fcHost({ sg_luns: () => '\n' })
  await rescanHosts(host.deps, [10])
  expect(told(host)).toEqual([''])
})

test("the host's own disk is never touched", async () => {
  const host = fcHost({ sg_luns: () => '0002000000000000\n' })
  const { inventory } = new Paths(host.root)
  mkdirSync(path.dirname(inventory), { recursive: true })
  writeFileSync(inventory, `PRIMARY_DISK='${path.join(host.root, 'dev/sda')}'\n`)
  await rescanHosts(host.deps, [0, 10])
  expect(host.commands).toContain('scsi_id -g --device /dev/sda')
  expect(ROOT_DISK).not.toBe('')
  const removed = told(host).filter(line => line.includes('remove'))
  expect(removed).toEqual(['scsi remove-single-device 10 0 0 0', 'scsi remove-single-device 10 0 0 1'])
})

test('a target that lists nothing because none of its LUNs answers keeps them', async () => {
  const host = fcHost({ sg_luns: () => 15 })
  await rescanHosts(host.deps, [10])
  expect(told(host)).toEqual([''])
})

test('a host that cannot be scanned does not keep the next from it', async () => {
  const host = fcHost()
  renameSync(path.join(host.root, 'sys/class/scsi_host/host1'), path.join(host.root, 'gone'))
  await rescanHosts(host.deps, [1, 10])
  expect(scanned(host, 10)).toBe('- - -')
  expect(host.warnings.join()).toContain('host 1 is not scanned')
})
