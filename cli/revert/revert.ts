import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import { formatDate, formatDuration } from '../format/date.ts'
import { formatSize } from '../format/sizes.ts'
import { printJson, remark } from '../output.ts'
import { readVdi, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { vdiJson } from '../shapes.ts'
import type { RevertChoice, RevertOptions } from './chooseRevert.ts'

/** Reverts in place and says what the disk is now. Throws XapiError; OperationError where it only could not be grown again. */
export async function revert(connection: Connection, choice: RevertChoice, options: RevertOptions): Promise<void> {
  const { snapshot, target } = choice
  const { system } = connection.environment
  const started = system.now()
  await connection.caller.call('VDI.revert', snapshot.ref)
  const took = system.now() - started
  let now = await readVdi(connection, target.ref)
  const sizeBefore = target.record.virtual_size
  if (options.keepSize && now.record.virtual_size < sizeBefore) {
    await growAgain(connection, now, sizeBefore)
    now = await readVdi(connection, target.ref)
  }
  if (options.json) {
    await printJson(vdiJson(now))
    return
  }
  const size = now.record.virtual_size
  const change = size === sizeBefore ? '' : `; it has ${formatSize(size)} now, ${formatSize(sizeBefore)} before`
  remark(
    `${nameOf(target)} is back at snapshot ${nameOf(snapshot)} of ${formatDate(snapshot.record.snapshot_time)}` +
      `${change} (${formatDuration(took)})`,
  )
}

async function growAgain(connection: Connection, vdi: Vdi, size: number): Promise<void> {
  try {
    await connection.caller.call('VDI.resize', vdi.ref, String(size))
  } catch (error) {
    throw new OperationError(
      `${nameOf(vdi)} is reverted, but could not be grown again: ${error instanceof Error ? error.message : String(error)}`,
      [`Try again: sm vdi-resize ${vdi.uuid} ${size}`],
      { cause: error },
    )
  }
}
