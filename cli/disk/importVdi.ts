import { setImmediate } from 'node:timers/promises'
import { connected } from '../command.ts'
import type { Connection } from '../connection.ts'
import { prepareEnvironment } from '../environment.ts'
import { OperationError, UsageError } from '../failures.ts'
import { formatSize } from '../format/sizes.ts'
import { Progress } from '../format/progress.ts'
import { stopping } from '../interrupt.ts'
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
  const { vdi, copied } = await stopping(stop => importOrRemove(name, source, { ...options, stop }))
  if (options.json === true)
    await printJson({ ...vdiJson(vdi), bytes_read: copied.read, bytes_written: copied.written })
  else {
    if (options.create !== undefined) await print(`${vdi.uuid}\n`)
    remark(`${nameOf(vdi)}: ${formatSize(copied.read)} read, ${formatSize(copied.written)} written`)
  }
}

interface Run extends ImportOptions {
  readonly stop: AbortSignal
}

/** A disk that was made for an import that failed is of no use to anybody. */
async function importOrRemove(name: string, source: Source, run: Run): Promise<{ vdi: Vdi; copied: CopyResult }> {
  if (run.create === undefined) return importInto(name, source, run)
  const wanted = { sr: run.create, name, size: sizeFor(source, run.size) }
  const made: Vdi[] = []
  try {
    await connected(async connection => made.push(await makeDisk(connection, wanted)))
    return await importInto(made[0]?.uuid ?? name, source, run)
  } catch (error) {
    for (const disk of made) {
      await connected(connection => connection.caller.call('VDI.destroy', disk.ref))
      remark(`the new disk ${nameOf(disk)} was removed again`)
    }
    throw error
  }
}

function sizeFor(source: Source, wanted: number | undefined): number {
  const size = wanted ?? source.size
  if (size === undefined) throw new UsageError(`the size of ${source.name} is not known: give --size`)
  if (size < (source.size ?? 0)) throw tooLarge(source, size)
  return size
}

async function makeDisk(
  connection: Connection,
  { sr, name, size }: { sr: string; name: string; size: number },
): Promise<Vdi> {
  const wanted = { nameLabel: name, nameDescription: '', size, smConfig: {} }
  return createVdi(connection, await findSr(connection, sr), wanted)
}

/** The session ends before the copy, so that other commands can work meanwhile. */
async function importInto(name: string, source: Source, run: Run): Promise<{ vdi: Vdi; copied: CopyResult }> {
  const disk = await connected(connection => lockDisk(connection, name, 'import'))
  const copied = await copyLocked(disk, source, run)
  return connected(async connection => {
    await connection.caller.call('SR.scan', disk.sr.ref)
    return { vdi: await readVdi(connection, disk.vdi.ref), copied }
  })
}

async function copyLocked(locked: LockedDisk, source: Source, { create, progress, stop }: Run): Promise<CopyResult> {
  const { openImage } = await import('../../lib/vhd/openImage.ts')
  const { system, file, directory, vdi } = locked
  try {
    if ((source.size ?? 0) > vdi.record.virtual_size) throw tooLarge(source, vdi.record.virtual_size)
    const disk = await openImage(system.files, file, { boundary: directory, write: true })
    const bar = new Progress(process.stderr, {
      total: source.size,
      label: 'importing',
      force: progress === true,
      now: system.now,
    })
    try {
      const copied = await copyIn(disk, source.blocks(stop), done => {
        bar.update(done)
      })
      // Ctrl-C ends a whole pipeline: a signal that came with the end of the input is seen only in the next turn.
      await setImmediate()
      stop.throwIfAborted()
      bar.finish(copied.read)
      return copied
    } catch (error) {
      bar.abandon()
      if (create === undefined) remark(`only the beginning of ${source.name} has been written to ${nameOf(vdi)}`)
      throw error
    } finally {
      await disk.close()
    }
  } finally {
    await locked.release()
  }
}

function tooLarge(source: Source, size: number): OperationError {
  return new OperationError(`${source.name} has ${source.size ?? 0} bytes, more than the disk with ${size}`, [
    'Grow the disk first (sm vdi-resize VDI SIZE), or make a larger one.',
  ])
}
