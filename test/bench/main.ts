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

interface Subject {
  readonly measures: string
  readonly run: (folder: string) => Promise<void>
}

const SUBJECTS: ReadonlyMap<string, Subject> = new Map([
  ['start-up', { measures: 'what a plugin call takes before it does anything', run: benchStartUp }],
  ['processes', { measures: 'programs that each command of LVHDSR starts', run: benchProcesses }],
  ['revert', { measures: 'a revert, by the size of the disk', run: benchRevert }],
  ['scan', { measures: 'reading the headers of 1 000 and 10 000 VHDs', run: benchScan }],
  ['snapshot', { measures: 'a snapshot, beside qemu-img', run: benchSnapshot }],
  ['coalesce', { measures: 'a coalesce, beside a plain copy', run: benchCoalesce }],
  ['chain', { measures: 'reading a chain of three, beside a plain file', run: benchChain }],
  ['datapath', { measures: 'our NBD server, beside qemu-nbd', run: benchDatapath }],
])

const HELP = `npm run bench [-- SUBJECT...]

Medians over several runs, wall clock, warm cache, contestants in turns. The numbers of a loaded machine say little, their
ratios more. Disks are made in SM_BENCH_DIR, by default in memory. Without a subject all of them:

${[...SUBJECTS].map(([name, { measures }]) => `  ${name.padEnd(12)}${measures}`).join('\n')}
`

async function main([first, ...rest]: readonly string[]): Promise<void> {
  if (first === 'nothing') return
  const [directory] = rest
  if (first === 'scan' && directory !== undefined && existsSync(directory)) return scanOnce(directory)
  const words = first === undefined ? [...SUBJECTS.keys()] : [first, ...rest]
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(HELP)
    return
  }
  const unknown = words.find(word => !SUBJECTS.has(word))
  if (unknown !== undefined) {
    process.stderr.write(`bench: there is no subject "${unknown}"\n\n${HELP}`)
    process.exitCode = 2
    return
  }
  for (const [name, { run }] of SUBJECTS) {
    if (words.includes(name)) await inFolder(run)
  }
}

async function inFolder(run: Subject['run']): Promise<void> {
  const base = process.env['SM_BENCH_DIR'] ?? (existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir())
  const folder = mkdtempSync(path.join(base, 'sm-bench-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
