import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { makeSystem } from '../../lib/os/system.ts'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import { VhdChain } from '../../lib/vhd/VhdChain.ts'
import { VhdLeafWriter } from '../../lib/vhd/VhdLeafWriter.ts'
import { goldenCases, type GoldenDevice, guestPattern, scratch, sha256, sha256OfFile, unpack } from './vhdGolden.ts'

const MIB = 1024 * 1024
const system = makeSystem()
const util = new EmbeddedVhdUtil(system)
const undo: (() => void)[] = []

afterEach(() => {
  for (const step of undo.splice(0).reverse()) step()
})

const canAttach = process.geteuid?.() === 0 && spawnSync('losetup', ['-f']).status === 0
const cases = goldenCases().flatMap(golden =>
  golden.blockDevice === undefined ? [] : [{ golden, device: golden.blockDevice, name: golden.name }],
)

function attach(file: string): string {
  const device = execFileSync('losetup', ['--show', '-f', file], { encoding: 'utf8' }).trim()
  undo.push(() => execFileSync('losetup', ['-d', device]))
  return device
}

function workFolder(directory: string): string {
  undo.push(() => {
    fs.rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

describe.skipIf(!canAttach)('VHDs on block devices', () => {
  it.each(cases)('reads the guest of $name', async ({ golden, device }) => {
    const directory = workFolder(unpack(golden))
    const node = attach(path.join(directory, device.image))
    const chain = await VhdChain.open(system.files, node)
    const content = await chain.read(0, chain.virtualSize).finally(() => chain.close())
    expect(content.length).toBe(device.virtualSize)
    expect(sha256(content)).toBe(device.guestSha256)
  })

  it.each(cases)('judges and measures $name as the reference does', async ({ golden, device }) => {
    const directory = workFolder(unpack(golden))
    const node = attach(path.join(directory, device.image))
    expect(await util.physicalSize(node)).toBe(physicalSizeOf(device))
    for (const { argv, rc } of device.commands.filter(command => command.argv[1] === 'check')) {
      const verdict = util.check(node, { allowMissingEndFooter: argv.includes('-i') })
      if (rc === 0) await verdict
      else await expect(verdict).rejects.toMatchObject({ errno: rc })
    }
  })

  it('writes the bytes of the reference, the footer in the last sector', async () => {
    const golden = cases.find(({ name }) => name === 'block-device')?.golden
    const [create, write] = golden?.recipe ?? []
    if (golden === undefined || create === undefined || write === undefined)
      throw new Error('the recorded case is missing')
    const image = path.join(workFolder(scratch()), 'lv.img')
    fs.writeFileSync(image, '')
    fs.truncateSync(image, golden.files[0]?.size ?? 0)
    const node = attach(image)
    const recorded = { newUuid: () => create.uuid ?? '', now: () => (create.nowUnix ?? 0) * 1000 }
    await new EmbeddedVhdUtil({ files: system.files, ...recorded }).create(node, 10 * MIB, { maxSize: 64 * MIB })
    for (const at of [0, 2 * MIB]) {
      const writer = await VhdLeafWriter.open(system.files, node)
      await writer.write(at, guestPattern(at, 2 * MIB, write.seed ?? 0)).finally(() => writer.close())
    }
    expect(sha256OfFile(image)).toBe(golden.files[0]?.sha256)
  })

  it('reports a full device to the writer and keeps what was there', async () => {
    const image = path.join(workFolder(scratch()), 'lv.img')
    fs.writeFileSync(image, Buffer.alloc(3 * MIB))
    const node = attach(image)
    await util.create(node, 10 * MIB)
    const writer = await VhdLeafWriter.open(system.files, node)
    await writer.write(0, Buffer.alloc(512, 1))
    await expect(writer.write(2 * MIB, Buffer.alloc(512, 2))).rejects.toMatchObject({ code: 'ENOSPC' })
    await writer.write(512, Buffer.alloc(512, 3))
    await writer.close()
    await util.check(node)
    const chain = await VhdChain.open(system.files, node)
    expect(await chain.read(0, 1024)).toEqual(Buffer.concat([Buffer.alloc(512, 1), Buffer.alloc(512, 3)]))
    await chain.close()
  })

  it('refuses a device too small for the tables', async () => {
    const image = path.join(workFolder(scratch()), 'lv.img')
    fs.writeFileSync(image, Buffer.alloc(MIB))
    await expect(util.create(attach(image), 10 * MIB, { maxSize: 2 * MIB * MIB })).rejects.toMatchObject({
      code: 'ENOSPC',
    })
  })
})

function physicalSizeOf({ commands }: GoldenDevice): number {
  const query = commands.find(({ argv }) => argv[1] === 'query')
  return Number(query?.stdout?.split('\n')[1])
}
