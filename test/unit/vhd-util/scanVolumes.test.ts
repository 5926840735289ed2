import * as fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { CommandError, type Run } from '../../../lib/os/run.ts'
import { makeUtil, MIB, scratch } from '../vhd/support.ts'
import { vhdUtil } from './run.ts'

const EXTENT = 4 * MIB
const START = MIB
const ROOM = 2 * MIB * MIB
const PARENT = 'VHD-1111'
const CHILD = 'VHD-2222'
const util = makeUtil()

let device: string
let run: Run
let asked: string[][]
let volumes: string

/** A physical volume with a parent VHD in extents 3 and 1, a child in 0 and 2, a raw volume in 4. */
beforeEach(async () => {
  const directory = scratch()
  device = path.join(directory, 'pv')
  fs.writeFileSync(device, '')
  fs.truncateSync(device, START + 5 * EXTENT)
  const base = path.join(directory, 'VG_XenStorage--aa-VHD--1111')
  const leaf = path.join(directory, 'leaf')
  await util.create(base, 10 * MIB, { maxSize: ROOM })
  await util.setKeyHash(base, 'ab'.repeat(32))
  await util.setHidden(base, true)
  await util.snapshot(leaf, base, { maxSize: ROOM, exactParent: true })
  place(base, [3, 1])
  place(leaf, [0, 2])
  volumes = [
    `  ${PARENT} ${2 * EXTENT} linear 2 0 ${EXTENT} ${device}(3)`,
    `  ${PARENT} ${2 * EXTENT} linear 2 ${EXTENT} ${EXTENT} ${device}(1)`,
    `  ${CHILD} ${2 * EXTENT} linear 2 0 ${EXTENT} ${device}(0)`,
    `  ${CHILD} ${2 * EXTENT} linear 2 ${EXTENT} ${EXTENT} ${device}(2)`,
    `  LV-3333 ${EXTENT} linear 1 0 ${EXTENT} ${device}(4)`,
  ].join('\n')
  asked = []
  run = argv => {
    asked.push([...argv])
    if (argv[1] !== 'VG_XenStorage-aa') throw new CommandError(argv, 5, 'not found', 'not found')
    const stdout = argv[0] === 'vgs' ? `  VG_XenStorage-aa ${EXTENT} 3 1 ${device} ${START}\n` : `${volumes}\n`
    return Promise.resolve({ exitCode: 0, stdout, stderr: '' })
  }
})

function place(file: string, extents: readonly number[]): void {
  const content = fs.readFileSync(file)
  const pv = fs.openSync(device, 'r+')
  for (const [index, extent] of extents.entries()) {
    const part = content.subarray(index * EXTENT, Math.min((index + 1) * EXTENT, content.length))
    fs.writeSync(pv, part, 0, part.length, START + extent * EXTENT)
  }
  fs.closeSync(pv)
}

const SIZE = `capacity=${10 * MIB} size=${2 * EXTENT}`

describe('scan of a volume group', () => {
  it('reads disks where they lie, tables across extents included', async () => {
    const outcome = await vhdUtil(['scan', '-f', '-M', '-l', 'VG_XenStorage-aa', '-m', 'VHD-*'], { system: { run } })
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' })
    expect(outcome.stdout).toBe(
      `vhd=${PARENT} ${SIZE} hidden=1 marker=0 keyhash=${'ab'.repeat(32)} parent=none\n` +
        `vhd=${CHILD} ${SIZE} hidden=0 marker=0 keyhash=${'ab'.repeat(32)} parent=${PARENT}\n`,
    )
    expect(asked.map(([program, group]) => [program, group])).toEqual([
      ['vgs', 'VG_XenStorage-aa'],
      ['lvs', 'VG_XenStorage-aa'],
    ])
  })

  it('takes extended patterns and follows parents with -a', async () => {
    const options = { system: { run } }
    const all = await vhdUtil(['scan', '-f', '-a', '-l', 'VG_XenStorage-aa', '-m', 'VHD-@(2222|9999)'], options)
    expect(all.stdout.match(/vhd=\S+/g)).toEqual([`vhd=${CHILD}`, `vhd=${PARENT}`])
    const others = await vhdUtil(['scan', '-f', '-l', 'VG_XenStorage-aa', '-m', '!(VHD-1*|LV-*)'], options)
    expect(others.stdout.match(/vhd=\S+/g)).toEqual([`vhd=${CHILD}`])
  })

  it('shows the tree with -p', async () => {
    const outcome = await vhdUtil(['scan', '-p', '-l', 'VG_XenStorage-aa', '-m', 'VHD-*'], { system: { run } })
    expect(outcome.stdout).toBe(
      `vhd=${PARENT} ${SIZE} hidden=1 parent=none\n   vhd=${CHILD} ${SIZE} hidden=0 parent=${PARENT}\n`,
    )
  })

  it('tells of volumes that are no VHD, too small or not linear', async () => {
    volumes += `\n  VHD-4444 512 linear 1 0 512 ${device}(4)\n  VHD-5555 ${EXTENT} striped 1 0 ${EXTENT} ${device}(0),${device}(4)`
    const argv = ['scan', '-f', '-c', '-l', 'VG_XenStorage-aa', '-m']
    const failures = async (filter: string) => (await vhdUtil([...argv, filter], { system: { run } })).stdout
    expect(await failures('LV-3333')).toBe("vhd=LV-3333 scan-error=-22 error-message='invalid footer'\n")
    expect(await failures('VHD-4444')).toBe("vhd=VHD-4444 scan-error=-22 error-message='device too small'\n")
    expect(await failures('VHD-5555')).toBe("vhd=VHD-5555 scan-error=-22 error-message='opening device'\n")
    fs.unlinkSync(device)
    expect(await failures('VHD-1111')).toBe("vhd=VHD-1111 scan-error=-2 error-message='opening device'\n")
  })

  it('shows a raw parent as hidden, of the size of its volume', async () => {
    const raw = path.join(path.dirname(device), 'VG_XenStorage--aa-LV--3333')
    fs.writeFileSync(raw, Buffer.alloc(EXTENT))
    const leaf = path.join(path.dirname(device), 'leaf2')
    await util.snapshot(leaf, raw, { parentRaw: true, maxSize: ROOM })
    place(leaf, [0, 2])
    const outcome = await vhdUtil(['scan', '-f', '-a', '-l', 'VG_XenStorage-aa', '-m', CHILD], { system: { run } })
    expect(outcome.stdout).toBe(
      `vhd=${CHILD} capacity=${EXTENT} size=${2 * EXTENT} hidden=0 parent=LV-3333\n` +
        `vhd=LV-3333 capacity=${EXTENT} size=${EXTENT} hidden=1 parent=none\n`,
    )
  })

  it('fails for a group that is not there and one that would be an option', async () => {
    for (const group of ['nothing', '-v']) {
      const outcome = await vhdUtil(['scan', '-f', '-l', group, '-m', '*'], { system: { run } })
      expect(outcome).toMatchObject({
        exitCode: 22,
        stdout: '',
        stderr: 'lvm_scan_vg failed -22\nscan failed: -22. Check syslog for details\n',
      })
    }
    expect(asked).toEqual([['vgs', 'nothing', ...(asked[0]?.slice(2) ?? [])]])
  })

  it('reports markers that lie outside the volume', async () => {
    volumes = `  ${CHILD} ${EXTENT} linear 1 0 ${EXTENT} ${device}(0)`
    const outcome = await vhdUtil(['scan', '-f', '-c', '-M', '-l', 'VG_XenStorage-aa', '-m', CHILD], {
      system: { run },
    })
    expect(outcome.stdout).toBe(`vhd=${CHILD} scan-error=-5 error-message='checking markers'\n`)
  })
})
