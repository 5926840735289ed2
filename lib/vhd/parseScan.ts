import path from 'node:path'
import { errnoName, vhdError } from './errors.ts'
import type { VhdScanError, VhdScanRow } from './VhdUtil.ts'

const ROW = /^vhd=(.+) capacity=(\d+) size=(\d+) hidden=(\d+)(?: marker=\d+ keyhash=(\S*))? parent=(.+)$/
const FAILURE = /^vhd=(.+) scan-error=-?(\d+) error-message='(.*)'$/

/** The lines of `vhd-util scan`, sorted by name (spec vhd 7.13). Throws EINVAL for a line of another form. */
export function parseScan(output: string): (VhdScanRow | VhdScanError)[] {
  const rows = output
    .split('\n')
    .filter(line => line !== '')
    .map(parseLine)
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function parseLine(line: string): VhdScanRow | VhdScanError {
  const failure = FAILURE.exec(line)
  if (failure !== null) {
    const [, name = '', errno, message = ''] = failure
    return { name: path.basename(name), error: vhdError(errnoName(Number(errno)), `${name}: ${message}`) }
  }
  const row = ROW.exec(line)
  if (row === null) throw vhdError('EINVAL', `unexpected line of the VHD tool: ${line}`)
  const [, name = '', capacity, size, hidden, keyHash, parent = 'none'] = row
  return {
    name: path.basename(name),
    virtualSize: Number(capacity),
    physicalSize: Number(size),
    hidden: Number(hidden) !== 0,
    parentName: parent === 'none' ? undefined : path.basename(parent),
    keyHash: keyHash === '' ? undefined : keyHash,
  }
}
