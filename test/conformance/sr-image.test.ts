import * as fs from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { requestDocument, type PluginRequest } from '../../lib/toolstack/storage/plugin-request.ts'
import { Box, HOST_REF, SR_REF } from './sm-transcripts-box.ts'
import { changesBetween, comparable, readDatabase, readRefs } from './sm-transcripts-database.ts'
import type { Fields, FileFacts } from './sm-transcripts-format.ts'
import { guestView } from './sm-transcripts-guest.ts'
import { Names } from './sm-transcripts-names.ts'
import { answerFacts, filesIn } from './sm-transcripts-outcome.ts'

/** What is known of a directory that the reference made, see `test/fixtures/sr-images/README.md`. */
interface Expected {
  readonly sr_uuid: string
  readonly files: Readonly<Record<string, FileFacts>>
  readonly vdis: Readonly<Record<string, Fields & { readonly guest_sha256: string; readonly snapshot_of?: string }>>
}

const IMAGES = path.join(import.meta.dirname, '../fixtures/sr-images')
const ROOT_DISK = '1a000001-0000-4000-8000-000000000001'
const SNAP_ONE = '1a000002-0000-4000-8000-000000000002'
const NO_CHANGES = { SR: {}, VDI: {}, message: {} }

describe('a file SR made by the reference', () => {
  let box: Box
  let expected: Expected

  beforeEach(async () => {
    expected = JSON.parse(await fs.readFile(path.join(IMAGES, 'file-public.expected.json'), 'utf8')) as Expected
    box = await Box.open(expected.sr_uuid)
    await fs.mkdir(box.location)
    await box.system.run(['tar', '-C', box.location, '-xzf', path.join(IMAGES, 'file-public.tar.gz')])
    await command('sr_attach')
  })

  afterEach(() => box.close())

  test('is attached with exactly its disks', async () => {
    const { VDI: records } = await readDatabase(box)
    expect(Object.keys(records).sort()).toEqual(Object.keys(expected.vdis).sort())
    for (const [uuid, vdi] of Object.entries(expected.vdis)) expect(records[uuid]).toMatchObject(storedFields(vdi))
    await expectCleanScan()
  })

  test('is not changed by attaching it', async () => {
    expect(await disksIn(box.location)).toEqual(disks(expected.files))
  })

  test('shows guests what the reference shows them', async () => {
    for (const [uuid, vdi] of Object.entries(expected.vdis)) expect(await content(uuid)).toBe(vdi.guest_sha256)
  })

  test('can be worked with: snapshot, clone, revert, delete', async () => {
    await nameSnapshots()
    const [original, first] = [contentOf(ROOT_DISK), contentOf(SNAP_ONE)]
    const snapshot = await branch('vdi_snapshot', ROOT_DISK)
    const clone = await branch('vdi_clone', SNAP_ONE)
    expect([await content(ROOT_DISK), await content(snapshot)]).toEqual([original, original])
    expect([await content(SNAP_ONE), await content(clone)]).toEqual([first, first])

    const refs = await readRefs(box)
    expect(await command('vdi_revert', SNAP_ONE, [refs.get(ROOT_DISK) ?? ''])).toBeNull()
    expect([await content(ROOT_DISK), await content(SNAP_ONE)]).toEqual([first, first])

    await command('vdi_delete', clone)
    await command('vdi_delete', snapshot)
    await command('sr_scan')
    await expectCleanScan()
    const unchanged = Object.keys(expected.vdis).filter(uuid => uuid !== ROOT_DISK)
    const names = await fs.readdir(box.location)
    const present = unchanged.filter(uuid => names.some(name => name.startsWith(uuid)))
    expect(present).toEqual(unchanged)
    for (const uuid of present) expect(await content(uuid)).toBe(contentOf(uuid))
  })

  test('keeps its disks when it is to be deleted', async () => {
    await command('sr_detach')
    expect(await box.isMounted()).toBe(false)
    const { fault } = answerFacts((await run('sr_delete')).stdout)
    expect(fault).toEqual([39, 'VDIs still exist in SR'])
    expect(await disksIn(box.location)).toEqual(disks(expected.files))
  })

  /** Runs a command that must succeed and returns its answer. */
  async function command(name: string, vdi?: string, args: readonly string[] = []): Promise<unknown> {
    const { exitCode, stdout, stderr } = await run(name, vdi, args)
    const { fault, response } = answerFacts(stdout)
    expect({ name, exitCode, stderr, fault }).toEqual({ name, exitCode: 0, stderr: '', fault: undefined })
    return response
  }

  async function run(name: string, vdi?: string, args: readonly string[] = []) {
    const common: PluginRequest = {
      host_ref: HOST_REF,
      command: name,
      args,
      device_config: { SRmaster: 'true', location: box.location },
      session_ref: box.session,
      sr_ref: SR_REF,
      sr_uuid: expected.sr_uuid,
    }
    if (vdi === undefined) return box.run(requestDocument(common))
    const ref = (await readRefs(box)).get(vdi) ?? ''
    return box.run(requestDocument({ ...common, vdi_ref: ref, vdi_uuid: vdi, vdi_location: vdi, driver_params: {} }))
  }

  async function branch(name: 'vdi_snapshot' | 'vdi_clone', vdi: string): Promise<string> {
    const { uuid } = (await command(name, vdi)) as { uuid: string }
    return uuid
  }

  async function content(uuid: string): Promise<string> {
    const kind = expected.files[`${uuid}.raw`] === undefined ? 'vhd' : 'raw'
    return (await guestView(box.system.files, path.join(box.location, `${uuid}.${kind}`))).sha256
  }

  function contentOf(uuid: string): string {
    return expected.vdis[uuid]?.guest_sha256 ?? ''
  }

  /** The database of the host that made the SR knew which disk is a snapshot of which. */
  async function nameSnapshots(): Promise<void> {
    const refs = await readRefs(box)
    for (const [uuid, { snapshot_of: source }] of Object.entries(expected.vdis)) {
      if (source === undefined) continue
      await box.call('VDI.set_is_a_snapshot', refs.get(uuid) ?? '', true)
      await box.call('VDI.set_snapshot_of', refs.get(uuid) ?? '', refs.get(source) ?? '')
    }
  }

  async function expectCleanScan(): Promise<void> {
    const before = await readDatabase(box)
    await command('sr_scan')
    expect(comparable(changesBetween(before, await readDatabase(box)))).toEqual(NO_CHANGES)
  }
})

async function disksIn(directory: string): Promise<Record<string, FileFacts>> {
  return disks(await filesIn(directory, new Names([])))
}

function disks(files: Readonly<Record<string, FileFacts>>): Record<string, FileFacts> {
  return Object.fromEntries(Object.entries(files).filter(([name]) => /\.(?:vhd|raw)$/.test(name)))
}

/** What the storage itself tells of a disk; label and snapshot relation are only in the database. */
function storedFields({ managed, physical_utilisation, read_only, sm_config, type, virtual_size }: Fields): Fields {
  return { managed, physical_utilisation, read_only, sm_config, type, virtual_size }
}
