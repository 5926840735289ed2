import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
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

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** 6 MiB: random, a hole of 2 MiB, random; its end is no whole sector. */
function sampleImage(): Buffer {
  return Buffer.concat([randomBytes(2 * MIB), Buffer.alloc(2 * MIB), randomBytes(2 * MIB - 100)])
}

function padded(image: Buffer, size: number): Buffer {
  return Buffer.concat([image, Buffer.alloc(size - image.length)])
}

test('what is imported is exported again, byte for byte, through a file and through pipes', async () => {
  const image = sampleImage()
  writeFileSync(bench.path('in.raw'), image)
  await bench.ok('vdi-create', 'store', 'roundtrip', '--size', '16MiB')
  await bench.ok('vdi-import', 'roundtrip', bench.path('in.raw'))
  await bench.ok('vdi-export', 'roundtrip', bench.path('out.raw'))
  expect(sha256(readFileSync(bench.path('out.raw')))).toBe(sha256(padded(image, 16 * MIB)))
  expect(statSync(bench.path('out.raw')).blocks * 512).toBeLessThan(5 * MIB)

  const other = sampleImage()
  const imported = await bench.sm(['vdi-import', 'roundtrip', '-'], { input: other })
  expect(imported.code).toBe(0)
  const exported = await bench.sm(['vdi-export', 'roundtrip'])
  expect(sha256(exported.bytes)).toBe(sha256(padded(other, 16 * MIB)))
})

test('zeroes take no room on a fresh disk, but are written over data', async () => {
  const zeroes = Buffer.alloc(8 * MIB)
  await bench.ok('vdi-create', 'store', 'zeroes', '--size', '8MiB')
  const fresh = await bench.json<VdiJson & { bytes_written: number }>(
    'vdi-import',
    'zeroes',
    imageFile('zeroes', zeroes),
  )
  expect(fresh.bytes_written).toBe(0)
  expect(fresh.physical_utilisation).toBeLessThan(MIB)

  const full = await bench.json<VdiJson>('vdi-import', 'zeroes', imageFile('random', randomBytes(8 * MIB)))
  expect(full.physical_utilisation).toBeGreaterThan(8 * MIB)
  await bench.ok('vdi-import', 'zeroes', bench.path('zeroes.raw'))
  expect(sha256((await bench.sm(['vdi-export', 'zeroes'])).bytes)).toBe(sha256(zeroes))
})

test('zeroes over data of a parent image are written, too', async () => {
  await bench.ok('vdi-import', '--create', 'store', 'child', imageFile('parent-data', randomBytes(4 * MIB)))
  await bench.ok('vdi-snapshot', 'child', 'child-before')
  await bench.ok('vdi-import', 'child', imageFile('nothing', Buffer.alloc(4 * MIB)))
  expect((await bench.sm(['vdi-export', 'child'])).bytes.equals(Buffer.alloc(4 * MIB))).toBe(true)
  expect(
    (await bench.sm(['vdi-export', 'child-before'])).bytes.equals(readFileSync(bench.path('parent-data.raw'))),
  ).toBe(true)
})

test('an import makes its disk if asked to, as large as the file', async () => {
  const image = randomBytes(3 * MIB)
  const made = await bench.json<VdiJson>('vdi-import', '--create', 'store', 'made', imageFile('made', image))
  expect(made).toMatchObject({ name_label: 'made', virtual_size: 4 * MIB, kind: 'disk' })
  expect(sha256((await bench.sm(['vdi-export', made.uuid])).bytes)).toBe(sha256(padded(image, 4 * MIB)))
})

test('an import that fails leaves no disk that it made', async () => {
  const input = randomBytes(4 * MIB)
  const outcome = await bench.sm(['vdi-import', '--create', 'store', '--size', '2MiB', 'too-small'], { input })
  expect(outcome).toMatchObject({ code: 1 })
  expect(outcome.stderr).toMatch(/larger than the disk/)
  expect(await bench.ok('vdi-list', '--json')).not.toContain('too-small')
})

test('an image that is larger than the disk is refused before anything is written', async () => {
  await bench.ok('vdi-create', 'store', 'small', '--size', '2MiB')
  const outcome = await bench.sm(['vdi-import', 'small', imageFile('large', randomBytes(4 * MIB))])
  expect(outcome.code).toBe(1)
  expect(outcome.stderr).toMatch(/more than the disk[^]*vdi-resize/)
  expect((await bench.sm(['vdi-export', 'small'])).bytes.equals(Buffer.alloc(2 * MIB))).toBe(true)
})

test('a VHD is not taken for a raw image', async () => {
  const [name = ''] = readdirSync(bench.path('disks')).filter(entry => entry.endsWith('.vhd'))
  const outcome = await bench.sm(['vdi-import', 'roundtrip', bench.path('disks', name)])
  expect(outcome.code).toBe(1)
  expect(outcome.stderr).toMatch(/is a VHD/)
})

test('an existing file is replaced only if that is asked for', async () => {
  writeFileSync(bench.path('precious'), 'precious')
  await bench.ok('vdi-create', 'store', 'exported', '--size', '2MiB')
  const refused = await bench.sm(['vdi-export', 'exported', bench.path('precious')])
  expect(refused.code).toBe(1)
  expect(readFileSync(bench.path('precious'), 'utf8')).toBe('precious')
  await bench.ok('vdi-export', 'exported', bench.path('precious'), '--force')
  expect(statSync(bench.path('precious')).size).toBe(2 * MIB)
  expect(readdirSync(bench.folder).filter(name => name.includes('.partial'))).toEqual([])
})

test('a raw disk is imported and exported like a VHD', async () => {
  const image = randomBytes(MIB)
  const raw = await bench.json<VdiJson>('vdi-create', 'store', 'plain', '--size', '4MiB', '--raw')
  await bench.ok('vdi-import', 'plain', imageFile('plain', image))
  expect(readdirSync(bench.path('disks'))).toContain(`${raw.uuid}.raw`)
  expect((await bench.sm(['vdi-export', 'plain'])).bytes.equals(padded(image, 4 * MIB))).toBe(true)
})

test('progress is shown on standard error when asked for, and never on standard output', async () => {
  const image = imageFile('progress', randomBytes(2 * MIB))
  await bench.ok('vdi-create', 'store', 'watched', '--size', '2MiB')
  const quiet = await bench.sm(['vdi-import', 'watched', image])
  expect(quiet.stderr).not.toContain('100%')
  const shown = await bench.sm(['vdi-import', 'watched', image, '--progress'])
  expect(shown.stderr).toMatch(/importing \[=+\] 100% {2}2 MiB of 2 MiB/)
  expect(shown.stdout).toBe('')
})

test('a disk grows and says so; it does not shrink', async () => {
  const { uuid } = await bench.json<VdiJson>('vdi-create', 'store', 'growing', '--size', '4MiB')
  const grown = await bench.json<VdiJson>('vdi-resize', 'growing', '10MiB')
  expect(grown).toMatchObject({ uuid, virtual_size: 10 * MIB })
  const shrunk = await bench.sm(['vdi-resize', 'growing', '2MiB'])
  expect(shrunk).toMatchObject({ code: 1 })
  expect(shrunk.stderr).toContain('grow but not shrink')
})

test('a snapshot does not grow', async () => {
  await bench.ok('vdi-create', 'store', 'constant', '--size', '4MiB')
  await bench.ok('vdi-snapshot', 'constant', 'kept')
  const grown = await bench.sm(['vdi-resize', 'kept', '10MiB'])
  expect(grown).toMatchObject({ code: 1 })
  expect(grown.stderr).toMatch(/must not change[^]*vdi-clone/)
})

test('an empty name means no disk, not even one without a name', async () => {
  const { uuid } = await bench.json<VdiJson>('vdi-create', 'store', '', '--size', '2MiB')
  const outcome = await bench.sm(['vdi-destroy', ''])
  expect(outcome).toMatchObject({ code: 1 })
  expect(outcome.stderr).toContain('an empty name')
  await bench.ok('vdi-destroy', uuid)
})

function imageFile(name: string, content: Buffer): string {
  const file = bench.path(`${name}.raw`)
  writeFileSync(file, content)
  return file
}
