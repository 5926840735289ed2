import type { Connection } from '../../cli/connection.ts'
import { createVdi } from '../../cli/disk/createVdi.ts'
import { formatSize } from '../../cli/format/sizes.ts'
import { shortUuid } from '../../cli/format/text.ts'
import { allSrs, type Sr } from '../../cli/records.ts'
import { drawTree, readTree } from '../../cli/tree/srTree.ts'
import { isUnicodeLocale } from '../../cli/tree/render.ts'
import { type Cast, type Moment, proveState } from './Cast.ts'
import { readContent, writeScattered } from './content.ts'
import { useDisk } from './guestDisk.ts'
import type { Report } from './Report.ts'
import type { Stage } from './Stage.ts'
import type { DemoStorage } from './storage.ts'

const GIB = 1024 ** 3
const PIECES = 32

interface Scene {
  readonly storage: DemoStorage
  readonly connection: Connection
  readonly report: Report
  readonly sr: Sr
  readonly disk: Cast['disk']
}

/** Writes, snapshots, overwrites and grows a disk, goes back and forth between its snapshots and proves each step. */
export async function revertScenes(stage: Stage, report: Report, storage: DemoStorage): Promise<Cast> {
  return stage.withToolstack(async connection => {
    report.heading('A disk with a history')
    const sr = await makeSr(connection, report, storage)
    const disk = await makeDisk(connection, report, sr)
    const scene: Scene = { storage, connection, report, sr, disk }
    await write(scene, 'A')
    const first = await snapshot(scene, 'first')
    await write(scene, 'B')
    await report.step(
      'VDI.resize',
      () => connection.caller.call('VDI.resize', disk.ref, String(2 * GIB)),
      () => '1 GiB → 2 GiB',
    )
    const second = await snapshot(scene, 'second')
    await write(scene, 'C')
    await showTree(scene)

    report.heading('Back in place, and forth again')
    const cast: Cast = { storage, sr: { ref: sr.ref, uuid: sr.uuid }, disk, first, second }
    await revert(scene, { cast, moment: first, name: 'first' })
    await revert(scene, { cast, moment: second, name: 'second' })
    await showTree(scene)
    return cast
  })
}

async function makeSr({ caller, ...connection }: Connection, report: Report, storage: DemoStorage): Promise<Sr> {
  const deviceConfig = storage.deviceConfig(connection.environment.paths.root)
  const host = await connection.xapi.poolGetMaster()
  const args = [host, { ...deviceConfig }, '0', 'demo', '', storage.type, '', false, {}] as const
  const ref = String(
    await report.step(
      'SR.create',
      () => caller.call('SR.create', ...args),
      () => Object.values(deviceConfig).join(' '),
    ),
  )
  const sr = (await allSrs({ caller, ...connection })).find(found => found.ref === ref)
  if (sr?.pbd?.record.currently_attached !== true) throw new Error('the SR was not attached')
  return sr
}

async function makeDisk(connection: Connection, report: Report, sr: Sr): Promise<Cast['disk']> {
  const wanted = { nameLabel: 'disk', nameDescription: '', size: GIB, smConfig: {} }
  const vdi = await report.step(
    'VDI.create',
    () => createVdi(connection, sr, wanted),
    ({ uuid }) => `1 GiB, uuid ${uuid}`,
  )
  return { ref: vdi.ref, uuid: vdi.uuid, name: vdi.nameLabel }
}

async function write({ connection, report, disk }: Scene, seed: string): Promise<void> {
  const writing = () => useDisk(connection, disk.uuid, image => writeScattered(image, seed, PIECES))
  const describe = (bytes: number): string => `${formatSize(bytes)} of random data in ${PIECES} places`
  await report.step(`write ${seed}`, writing, describe)
}

/** Takes a snapshot and notes what the disk holds at this moment. */
async function snapshot({ connection, report, disk }: Scene, name: string): Promise<Moment> {
  const { caller } = connection
  const content = await useDisk(connection, disk.uuid, readContent)
  const describe = (): string => `'${name}', content ${shortUuid(content.checksum)}…, ${formatSize(content.size)}`
  const ref = String(await report.step('VDI.snapshot', () => caller.call('VDI.snapshot', disk.ref), describe))
  await caller.call('VDI.set_name_label', ref, name)
  return { snapshot: ref, content }
}

async function revert(
  { connection, report }: Scene,
  { cast, moment, name }: { cast: Cast; moment: Moment; name: string },
): Promise<void> {
  await report.step(`VDI.revert to '${name}'`, () => connection.caller.call('VDI.revert', moment.snapshot))
  await proveState(connection, report, { cast, moment, claim: `as at '${name}'` })
}

async function showTree({ connection, report, sr }: Scene): Promise<void> {
  const tree = await readTree(connection, sr)
  const style = { ascii: !isUnicodeLocale(process.env), ...report.colours }
  report.line(drawTree(tree, style).replace(/^/gm, '  ').trimEnd())
}
