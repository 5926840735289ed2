import { open, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Connection } from '../../cli/connection.ts'
import { formatDuration } from '../../cli/format/date.ts'
import { padEnd } from '../../cli/format/text.ts'
import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { mixedDrivers } from '../support/mixedDrivers.ts'
import { pseudoRandom, readContent, writeScattered } from './content.ts'
import { type GuestDisk, useDisk } from './guestDisk.ts'
import type { Report } from './Report.ts'
import type { Stage } from './Stage.ts'

const MIB = 1024 ** 2
const columnWidth = 26

/** A storage type in the comparison. */
interface Column {
  readonly title: string
  readonly type: string
  readonly deviceConfig: Readonly<Record<string, string>>
  readonly write: (machine: Machine, seed: string) => Promise<void>
  /** Something that differs where the content differs. */
  readonly read: (machine: Machine) => Promise<string>
}

/** A VM with one disk. */
interface Machine {
  readonly connection: Connection
  readonly sr: Ref
  readonly vm: Ref
}

/** What identifies the disk of a VM. */
type Identity = Readonly<Record<'uuid' | 'reference' | 'location' | 'drive' | 'VM' | 'content', string>>

interface Result {
  readonly before: Identity
  readonly after: Identity
  /** Milliseconds. */
  readonly snapshotTook: number
  readonly revertTook: number
  /** Whether the snapshot's disk is a snapshot of the disk that the VM has now. */
  readonly isLinked: boolean
}

/** `VM.snapshot` and `VM.revert` on storage that reverts in place and on storage that cannot, side by side. */
export async function vmScenes(stage: Stage, report: Report): Promise<void> {
  report.heading('A virtual machine goes back: in place, and where that is not possible')
  const smDir = await mixedDrivers(path.join(stage.paths.root, 'drivers'), ['FileSR'])
  await stage.withToolstack(
    async connection => {
      const columns = [inPlace(stage), byClone(stage)]
      const results: Result[] = []
      for (const column of columns) results.push(await revertMachine(connection, column))
      const [first, second] = results
      if (first === undefined || second === undefined) throw new Error('two columns are compared')
      showTable(report, columns, [first, second])
      proveBoth(report, first, second)
    },
    { smDir },
  )
}

function inPlace({ paths }: Stage): Column {
  const use = async <T>({ connection, vm }: Machine, body: (disk: GuestDisk) => Promise<T>): Promise<T> =>
    useDisk(connection, (await diskOf(connection, vm)).uuid, body)
  return {
    title: 'FileSR',
    type: 'file',
    deviceConfig: { location: path.join(paths.root, 'vm-disks') },
    write: async (machine, seed) => {
      await use(machine, disk => writeScattered(disk, seed, 4))
    },
    read: async machine => (await use(machine, readContent)).checksum,
  }
}

/** A driver of the time before VDI_REVERT, with disks as plain files. */
function byClone({ paths }: Stage): Column {
  const dir = paths.root
  const file = async ({ connection, vm }: Machine) => path.join(dir, `${(await diskOf(connection, vm)).uuid}.raw`)
  return {
    title: 'NoRevertSR',
    type: 'norevert',
    deviceConfig: { dir },
    write: async (machine, seed) => {
      const disk = await open(await file(machine), 'r+')
      await disk.write(pseudoRandom(seed, MIB), 0, MIB, 0)
      await disk.close()
    },
    read: async machine => (await readFile(await file(machine))).subarray(0, MIB).toString('base64'),
  }
}

async function revertMachine(connection: Connection, column: Column): Promise<Result> {
  const { caller } = connection
  const machine = await makeMachine(connection, column)
  await column.write(machine, 'A')
  const before = await identify(machine, column)
  const [snapshot, snapshotTook] = await timed(() => caller.call('VM.snapshot', machine.vm, 'before the update'))
  await column.write(machine, 'B')
  const [, revertTook] = await timed(() => caller.call('VM.revert', String(snapshot)))
  const snapped = await diskOf(connection, String(snapshot))
  const original = await caller.call('VDI.get_snapshot_of', snapped.reference)
  const after = await identify(machine, column)
  return { before, after, snapshotTook, revertTook, isLinked: original === after.reference }
}

/** The result, and the milliseconds it took. */
async function timed<T>(body: () => Promise<T>): Promise<[T, number]> {
  const started = performance.now()
  return [await body(), performance.now() - started]
}

async function makeMachine(connection: Connection, { title, type, deviceConfig }: Column): Promise<Machine> {
  const { caller, xapi } = connection
  const host = await xapi.poolGetMaster()
  const sr = String(await caller.call('SR.create', host, { ...deviceConfig }, '0', title, '', type, '', false, {}))
  const size = String(64 * MIB)
  const disk = { SR: sr, name_label: 'system', virtual_size: size, type: 'user' }
  const vdi = String(await caller.call('VDI.create', disk))
  const vm = String(await caller.call('VM.create', { name_label: `VM on ${title}` }))
  await caller.call('VBD.create', { VM: vm, VDI: vdi, userdevice: '0', bootable: true })
  return { connection, sr, vm }
}

async function diskOf({ caller }: Connection, vm: Ref): Promise<{ uuid: string; reference: Ref; drive: Ref }> {
  const [drive = ''] = (await caller.call('VM.get_VBDs', vm)) as Ref[]
  const reference = String(await caller.call('VBD.get_VDI', drive))
  return { uuid: String(await caller.call('VDI.get_uuid', reference)), reference, drive }
}

async function identify(machine: Machine, column: Column): Promise<Identity> {
  const { connection, vm } = machine
  const disk = await diskOf(connection, vm)
  const location = String(await connection.caller.call('VDI.get_location', disk.reference))
  const uuid = String(await connection.caller.call('VM.get_uuid', vm))
  return { ...disk, location, VM: uuid, content: await column.read(machine) }
}

function showTable(report: Report, columns: readonly Column[], results: readonly [Result, Result]): void {
  const { bold, green, yellow } = report.colours
  const row = (name: string, cells: readonly string[]) => {
    report.line(`  ${padEnd(name, 24)}${cells.join('')}`.trimEnd())
  }
  const cell = (text: string, paint: (text: string) => string = same) => paint(padEnd(text, columnWidth))
  const each = (name: string, shown: (result: Result) => string) => {
    row(name, results.map(shown))
  }
  row(
    '',
    columns.map(({ title }) => cell(title, bold)),
  )
  each('VM.snapshot took', ({ snapshotTook }) => cell(formatDuration(snapshotTook)))
  each('VM.revert took', ({ revertTook }) => cell(formatDuration(revertTook)))
  each('content', ({ before, after }) =>
    before.content === after.content ? cell('as at the snapshot', green) : cell('NOT as at the snapshot', yellow),
  )
  for (const part of ['uuid', 'reference', 'drive'] as const) {
    each(part === 'drive' ? 'drive of the VM (VBD)' : `disk ${part}`, ({ before, after }) =>
      before[part] === after[part] ? cell('stayed', green) : cell('changed', yellow),
    )
  }
}

function same(text: string): string {
  return text
}

function proveBoth(report: Report, first: Result, second: Result): void {
  const stayed = (part: keyof Identity) => first.before[part] === first.after[part]
  report.prove('in place, nothing that tracks the disk loses it', {
    content: stayed('content'),
    uuid: stayed('uuid'),
    reference: stayed('reference'),
    location: stayed('location'),
    drive: stayed('drive'),
    snapshots: first.isLinked,
  })
  report.prove('by a clone, the content is back on another disk', {
    content: second.before.content === second.after.content,
    'VM uuid': second.before.VM === second.after.VM,
    'another disk': second.before.uuid !== second.after.uuid && second.before.reference !== second.after.reference,
    'snapshots follow': second.isLinked,
  })
}
