import { connected } from '../command.ts'
import { prepareEnvironment } from '../environment.ts'
import { OperationError, UsageError } from '../failures.ts'
import { formatSize } from '../format/sizes.ts'
import { Progress } from '../format/progress.ts'
import { print, printJson, remark } from '../output.ts'
import { findSr, readVdi, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { vdiJson } from '../shapes.ts'
import { copyIn, type CopyResult } from './copyIn.ts'
import { createVdi } from './createVdi.ts'
import { lockDisk, type LockedDisk } from './lockDisk.ts'
import { openSource, type Source } from './source.ts'

export interface ImportOptions {
  readonly create?: string
  readonly size?: number
  readonly progress?: true
  readonly json?: true
}

/** Writes a raw image to a disk, or to a new one. Throws OperationError, UsageError, VhdError, XapiError. */
export async function importVdi(name: string, file: string | undefined, options: ImportOptions): Promise<void> {
  if (options.size !== undefined && options.create === undefined) throw new UsageError('--size goes with --create')
  const { system } = await prepareEnvironment()
  const source = await openSource(system, file)
  const made =
    options.create === undefined ? undefined : await makeDisk(name, source, { ...options, sr: options.create })
  const { vdi, copied } = await importOrRemove(made?.uuid ?? name, source, {
    made,
    progress: options.progress === true,
  })
  if (options.json === true)
    await printJson({ ...vdiJson(vdi), bytes_read: copied.read, bytes_written: copied.written })
  else {
    if (made !== undefined) await print(`${vdi.uuid}\n`)
    remark(`${nameOf(vdi)}: ${formatSize(copied.read)} read, ${formatSize(copied.written)} written`)
  }
}

async function makeDisk(name: string, source: Source, options: { sr: string; size?: number }): Promise<Vdi> {
  const size = options.size ?? source.size
  if (size === undefined) throw new UsageError(`the size of ${source.name} is not known: give --size`)
  if (size < (source.size ?? 0)) throw tooLarge(source, size)
  return connected(async connection => {
    const sr = await findSr(connection, options.sr)
    return createVdi(connection, sr, { nameLabel: name, nameDescription: '', size, smConfig: {} })
  })
}

interface Run {
  readonly made: Vdi | undefined
  readonly progress: boolean
}

/** A disk that was made for an import that failed is of no use to anybody. */
async function importOrRemove(
  name: string,
  source: Source,
  { made, progress }: Run,
): Promise<{ vdi: Vdi; copied: CopyResult }> {
  try {
    return await importInto(name, source, progress)
  } catch (error) {
    if (made !== undefined) {
      await connected(connection => connection.caller.call('VDI.destroy', made.ref))
      remark(`the new disk ${nameOf(made)} was removed again`)
    }
    throw error
  }
}

/** The session ends before the copy, so that other commands can work meanwhile. */
async function importInto(name: string, source: Source, progress: boolean): Promise<{ vdi: Vdi; copied: CopyResult }> {
  const disk = await connected(connection => lockDisk(connection, name, 'import'))
  const copied = await copyLocked(disk, source, progress)
  return connected(async connection => {
    await connection.caller.call('SR.scan', disk.sr.ref)
    return { vdi: await readVdi(connection, disk.vdi.ref), copied }
  })
}

async function copyLocked(locked: LockedDisk, source: Source, force: boolean): Promise<CopyResult> {
  const { openImage } = await import('../../lib/vhd/openImage.ts')
  const { system, file, directory, vdi } = locked
  try {
    if ((source.size ?? 0) > vdi.record.virtual_size) throw tooLarge(source, vdi.record.virtual_size)
    const disk = await openImage(system.files, file, { boundary: directory, write: true })
    const bar = new Progress(process.stderr, { total: source.size, label: 'importing', force, now: system.now })
    try {
      const copied = await copyIn(disk, source.blocks(), done => {
        bar.update(done)
      })
      bar.finish(copied.read)
      return copied
    } finally {
      await disk.close()
    }
  } finally {
    await locked.release()
  }
}

function tooLarge(source: Source, size: number): OperationError {
  return new OperationError(
    `${source.name} has ${formatSize(source.size ?? 0)}, more than the disk with ${formatSize(size)}`,
    ['Grow the disk first (sm vdi-resize VDI SIZE), or make a larger one.'],
  )
}
