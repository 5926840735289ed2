import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeMethodResponse } from '../../../lib/smapi/xmlrpc.ts'
import { World, type Disk } from '../../support/World.ts'
import { DISK, example, SNAPSHOT, SR } from '../../unit/smapi/fixtures.ts'

// The worked examples of spec smapi 11, with what they name replaced by what there is, and nothing else.

const NAMES = {
  host: 'OpaqueRef:5f1d8c2a-7b3e-46f9-a0d4-c81e2b9f6d37',
  session: 'OpaqueRef:e2a7c4d9-0f18-4b63-9c5d-3a6e8f2b7d14',
  sr: 'OpaqueRef:91c3e7b5-2d4f-48a6-b0e9-6f5a1d8c3b27',
  target: 'OpaqueRef:3b6e9d14-8c70-4a25-9f1e-5d2c7a8b4e63',
  location: '/srv/sr',
}

let world: World
let names: Record<string, string>

beforeAll(async () => {
  world = await World.create()
  names = {
    [NAMES.host]: await world.host(),
    [NAMES.session]: await world.smSession(),
    [NAMES.sr]: world.srRef,
    [NAMES.location]: world.location,
    [SR]: world.srUuid,
  }
})

afterAll(async () => {
  await world.close()
})

function replaced(document: string, more: Record<string, string> = {}): string {
  return Object.entries({ ...names, ...more }).reduce((text, [from, to]) => text.replaceAll(from, to), document)
}

function run(name: string, more: Record<string, string> = {}): Promise<string> {
  return world.execute(replaced(example(name), more))
}

/** The uuid in an answer that names one disk, whose form is that of the example. */
function diskIn(answer: string, name: string, exampleUuid: string): string {
  const uuid = /<name>uuid<\/name>\s*<value><string>([^<]+)/.exec(answer)?.[1] ?? ''
  const expected = example(name).replaceAll(exampleUuid, uuid)
  expect(decodeMethodResponse(answer)).toEqual(decodeMethodResponse(expected))
  return uuid
}

/** A disk that has the uuid of the examples. */
async function exampleDisk(): Promise<Disk> {
  const args = ['4194304', 'disk', '', '', 'false', '19700101T00:00:00Z', '', 'false']
  await world.plugin('vdi_create', undefined, { args, vdi_type: 'user', vdi_uuid: DISK, vdi_sm_config: {} })
  return { uuid: DISK, ref: String(await world.call('VDI.get_by_uuid', DISK)) }
}

test('11.1: the driver info has the members, capabilities and configuration keys of the example', async () => {
  const [answer, expected] = [await run('driver-info-request'), example('driver-info-response')].map(text => {
    const decoded = decodeMethodResponse(text)
    if (!('value' in decoded)) throw new Error('no fault is expected')
    return decoded.value as Record<string, unknown>
  })
  for (const name of ['name', 'description', 'driver_version', 'required_api_version']) {
    expect(answer?.[name]).toBe(expected?.[name])
  }
  expect(new Set(answer?.['capabilities'] as string[])).toEqual(new Set(expected?.['capabilities'] as string[]))
  expect(answer?.['configuration']).toMatchObject([{ key: 'location' }])
})

test('11.2: vdi_create draws a uuid, and keeps quotes and ampersands of the label', async () => {
  const uuid = diskIn(await run('vdi-create-request'), 'vdi-create-response', DISK)
  const record = [...(await world.records()).values()].find(vdi => vdi.uuid === uuid)
  expect(record).toMatchObject({ name_label: 'disk "A" & co', virtual_size: 4194304, location: uuid })
})

test('11.3 to 11.5: attach, snapshot, and revert by reference and by uuid answer as written', async () => {
  const disk = await exampleDisk()
  const attached = replaced(example('vdi-attach-response'), { ':/run/': `:${world.paths.root}/run/` })
  expect(decodeMethodResponse(await run('vdi-attach-request'))).toEqual(decodeMethodResponse(attached))

  const snapshot = diskIn(await run('vdi-snapshot-request'), 'vdi-create-response', DISK)
  const old = await world.content(snapshot)
  await world.write(disk, 7, 0, 2)
  const ids = { [SNAPSHOT]: snapshot }
  expect(await run('vdi-revert-request', { ...ids, [NAMES.target]: disk.ref })).toBe(example('vdi-revert-response'))
  expect(await world.content(DISK)).toEqual(old)

  await world.write(disk, 8, 1, 2)
  expect(await run('vdi-revert-request', { ...ids, [NAMES.target]: DISK })).toBe(example('vdi-revert-response'))
  expect(await world.content(DISK)).toEqual(old)
})

test('11.6: the revert of a raw disk is refused with the document of the example', async () => {
  const raw = await world.createVdi('raw', 4, { type: 'raw' })
  const other = await world.createVdi('other', 4)
  const ids = { [SNAPSHOT]: other.uuid, [NAMES.target]: raw.ref }
  expect(await run('vdi-revert-request', ids)).toBe(example('fault'))
})
