import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ScsiDeps, rootsOf } from './deps.ts'
import { sizeOf } from './facts.ts'
import { pathNames } from './links.ts'

const TRIES = 3
const RETRY_MS = 1000
/** Seconds that the kernel gets to read a disk's size. */
const RESCAN_SECONDS = 10
/** Exit codes of sg_readcap (spec iscsi-hba 6): 21, a recovered error, comes with the answer. */
const GOOD = [0, 21]
const NOT_READY = 2
const WORTH_RETRYING = [6, 11, 14, 33]

/**
 * Has the kernel take up the size of a disk that was grown on its target, on every path (spec iscsi-hba 6). Returns
 * whether all paths are there and have the disk's size now; false means: do not build on it.
 */
export async function refreshPathSizes(deps: ScsiDeps, scsiId: string): Promise<boolean> {
  const names = await pathNames(deps, scsiId)
  const answers = await Promise.all(names.map(name => refreshPath(deps, name)))
  return names.length > 0 && answers.every(isGood => isGood)
}

async function refreshPath(deps: ScsiDeps, name: string): Promise<boolean> {
  try {
    const capacity = await readCapacity(deps, path.join(rootsOf(deps).dev, name))
    if (capacity === undefined) return false
    if ((await sizeOf(deps, name)) === capacity) return true
    await rescan(deps, name)
    return (await sizeOf(deps, name)) === capacity
  } catch (error) {
    deps.log.warn(`the size of ${name} is not known: ${String(error)}`)
    return false
  }
}

/** Bytes, as the disk itself says; undefined where it does not. */
export async function readCapacity(deps: ScsiDeps, device: string): Promise<number | undefined> {
  const okExitCodes = [...GOOD, NOT_READY, ...WORTH_RETRYING]
  for (let attempt = 1; ; attempt += 1) {
    const { exitCode, stdout } = await deps.system.run(['sg_readcap', '-b', device], { okExitCodes, changes: false })
    const [, blocks, blockSize] = /^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)/i.exec(stdout) ?? []
    if (GOOD.includes(exitCode) && blocks !== undefined) return Number(blocks) * Number(blockSize)
    if (attempt === TRIES) {
      deps.log.warn(`${device} does not tell its size: sg_readcap ends with ${exitCode}`)
      return undefined
    }
    if (exitCode === NOT_READY) await sleep(deps.retryMs ?? RETRY_MS)
  }
}

/** In a process of its own, so that a path that hangs does not hold this one. */
async function rescan(deps: ScsiDeps, name: string): Promise<void> {
  const file = path.join(rootsOf(deps).sys, 'block', name, 'device/rescan')
  await deps.system.run(['timeout', '--signal=KILL', String(RESCAN_SECONDS), 'tee', file], { input: '1' })
}
