import path from 'node:path'
import type { DiskImage } from '../../lib/vhd/DiskImage.ts'
import type { System } from '../../lib/os/system.ts'
import { connected } from '../command.ts'
import { prepareEnvironment } from '../environment.ts'
import { OperationError, UsageError } from '../failures.ts'
import { formatSize } from '../format/sizes.ts'
import { Progress } from '../format/progress.ts'
import { stopping } from '../interrupt.ts'
import { printBytes, remark } from '../output.ts'
import { nameOf } from '../resolve.ts'
import { copyToFile, copyToStream } from './copyOut.ts'
import { lockDisk, type LockedDisk } from './lockDisk.ts'

export interface ExportOptions {
  readonly force?: true
  readonly progress?: true
}

/** Copies a disk to a file or standard output. Throws OperationError, UsageError, VhdError, XapiError. */
export async function exportVdi(name: string, file: string | undefined, options: ExportOptions): Promise<void> {
  const target = file === '-' ? undefined : file
  const { system } = await prepareEnvironment()
  if (target === undefined && process.stdout.isTTY) {
    throw new UsageError('a disk is nothing for a terminal: name a file, or sm vdi-export VDI > FILE')
  }
  if (target !== undefined) await requireFree(system, target, options.force === true)
  const locked = await connected(connection => lockDisk(connection, name, 'export'))
  try {
    await stopping(stop => exportLocked(locked, target, { ...options, stop }))
  } finally {
    await locked.release()
  }
}

async function requireFree({ files }: System, target: string, force: boolean): Promise<void> {
  if (!(await files.exists(path.dirname(target)))) {
    throw new OperationError(`there is no directory ${path.dirname(target)}`)
  }
  if (!(await files.exists(target))) return
  if (!(await files.stat(target)).isFile()) {
    throw new OperationError(`${target} is not a regular file`, [
      'Write to it through a pipe: sm vdi-export VDI > FILE',
    ])
  }
  if (!force) throw new OperationError(`${target} exists already`, ['Choose another name, or replace it with --force.'])
}

interface Run extends ExportOptions {
  readonly stop: AbortSignal
}

async function exportLocked(locked: LockedDisk, target: string | undefined, { progress, stop }: Run): Promise<void> {
  const { openImage } = await import('../../lib/vhd/openImage.ts')
  const { system, file, directory, vdi } = locked
  const disk = await openImage(system.files, file, { boundary: directory })
  try {
    const force = progress === true
    const bar = new Progress(process.stderr, { total: disk.virtualSize, label: 'exporting', force, now: system.now })
    const onProgress = (done: number): void => {
      stop.throwIfAborted()
      bar.update(done)
    }
    try {
      if (target === undefined) await copyToStream(disk, printBytes, onProgress)
      else await writeFile(system, target, { disk, onProgress })
    } catch (error) {
      bar.abandon()
      throw error
    }
    bar.finish(disk.virtualSize)
    if (target !== undefined) remark(`${nameOf(vdi)}: ${formatSize(disk.virtualSize)} exported to ${target}`)
  } finally {
    await disk.close()
  }
}

/** Under a temporary name until it is whole. */
async function writeFile(
  { files, newUuid }: System,
  target: string,
  { disk, onProgress }: { disk: DiskImage; onProgress: (done: number) => void },
): Promise<void> {
  // New and not to be guessed: where others may write, nobody can have put a link in its place.
  const partial = `${target}.partial-${newUuid()}`
  const created = files.create(partial, { exclusive: true, mode: 0o600 })
  try {
    await files.using(created, out => copyToFile(disk, out, onProgress))
    await files.rename(partial, target)
  } catch (error) {
    await files.unlinkIfPresent(partial)
    throw error
  }
}
