import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { benchChain } from './chain.ts'
import { benchCoalesce } from './coalesce.ts'
import { benchDatapath } from './datapath.ts'
import { benchProcesses } from './processes.ts'
import { benchRevert } from './revert.ts'
import { benchScan, scanOnce } from './scan.ts'
import { benchSnapshot } from './snapshot.ts'
import { benchStartUp } from './startUp.ts'

/**
 * `npm run bench [SUBJECT…]`. Medians over several runs, wall clock, warm cache, contestants in turns; the numbers of a
 * loaded machine say little, their ratios more. Disks are made in `$SM_BENCH_DIR`, by default in memory.
 */
const SUBJECTS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  'start-up': benchStartUp,
  processes: benchProcesses,
  revert: benchRevert,
  scan: benchScan,
  snapshot: benchSnapshot,
  coalesce: benchCoalesce,
  chain: benchChain,
  datapath: benchDatapath,
}

async function main([first, ...rest]: readonly string[]): Promise<void> {
  if (first === 'nothing') return
  const [directory] = rest
  if (first === 'scan' && directory !== undefined && existsSync(directory)) return scanOnce(directory)
  const wanted = first === undefined ? Object.keys(SUBJECTS) : [first, ...rest]
  for (const subject of wanted) await inFolder(subject)
}

async function inFolder(subject: string): Promise<void> {
  const bench = SUBJECTS[subject]
  if (bench === undefined) throw new Error(`no bench ${subject}; there are ${Object.keys(SUBJECTS).join(', ')}`)
  const base = process.env['SM_BENCH_DIR'] ?? (existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir())
  const folder = mkdtempSync(path.join(base, 'sm-bench-'))
  try {
    await bench(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
