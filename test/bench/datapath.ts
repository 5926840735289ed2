import { spawnSync } from 'node:child_process'
import { copyFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import path from 'node:path'
import { BLOCK, fillDisk, util } from './disks.ts'
import { has, inTurns } from './measure.ts'
import { type Kind, type NbdServer, servers } from './nbdServers.ts'

const SIZE = 512 * 1024 * 1024
const ROUNDS = 5

interface Workload {
  readonly name: string
  /** Whether the disk is full before, or all its blocks are new to it. */
  readonly image: 'full' | 'empty'
  readonly options: readonly string[]
  /** What fio counts, and of which direction. */
  readonly measure: 'iops' | 'bw'
  readonly direction: 'read' | 'write'
}

const random = ['--bs=4k', '--iodepth=16', '--runtime=3', '--time_based']
const sequential = ['--bs=1M', '--iodepth=4']

const WORKLOADS: readonly Workload[] = [
  {
    name: '1 MiB sequential read',
    image: 'full',
    options: ['--rw=read', ...sequential],
    measure: 'bw',
    direction: 'read',
  },
  {
    name: '1 MiB sequential write',
    image: 'full',
    options: ['--rw=write', ...sequential],
    measure: 'bw',
    direction: 'write',
  },
  {
    name: '1 MiB sequential write into new blocks',
    image: 'empty',
    options: ['--rw=write', ...sequential],
    measure: 'bw',
    direction: 'write',
  },
  {
    name: '4 KiB random read',
    image: 'full',
    options: ['--rw=randread', ...random],
    measure: 'iops',
    direction: 'read',
  },
  {
    name: '4 KiB random write',
    image: 'full',
    options: ['--rw=randwrite', ...random],
    measure: 'iops',
    direction: 'write',
  },
]

/**
 * What an NBD client gets from our server of a VHD, from qemu-nbd of the same VHD, and from nbdkit of a raw file with the
 * same content, which has no tables to look into. fio measures, one connection, a new server for each run; the first round
 * warms up and does not count.
 */
export async function benchDatapath(folder: string): Promise<void> {
  if (!has('fio')) {
    console.log('SKIPPED: fio is not installed')
    return
  }
  const contestants = servers.filter(({ program }) => has(program))
  const missing = servers.filter(({ program }) => !has(program)).map(({ program }) => program)
  if (missing.length > 0) console.log(`SKIPPED, not installed: ${missing.join(', ')}`)
  await makeImages(folder)
  for (const workload of WORKLOADS) await compareServers(folder, contestants, workload)
}

async function makeImages(folder: string): Promise<void> {
  for (const image of ['full', 'empty'] as const) {
    const vhd = template(folder, image, 'vhd')
    const raw = template(folder, image, 'raw')
    await util.create(vhd, SIZE)
    writeFileSync(raw, '')
    truncateSync(raw, SIZE)
    if (image === 'empty') continue
    await fillDisk(vhd, SIZE)
    for (let at = 0; at < SIZE; at += BLOCK) writeFileSync(raw, Buffer.alloc(BLOCK, 1), { flag: at === 0 ? 'w' : 'a' })
  }
}

function template(folder: string, image: Workload['image'], kind: Kind): string {
  return path.join(folder, `${image}.${kind}`)
}

async function compareServers(folder: string, contestants: readonly NbdServer[], workload: Workload): Promise<void> {
  console.log(`${workload.name} (load ${loadavg()[0]?.toFixed(1) ?? ''})`)
  const runs = contestants.map(({ name, kind, serve }) => ({
    name,
    run: async () => {
      const image = path.join(folder, `disk.${kind}`)
      copyFileSync(template(folder, workload.image, kind), image)
      const server = await serve(image, folder)
      try {
        return runFio(server.uri, folder, workload)
      } finally {
        await server.stop()
        rmSync(image)
      }
    },
  }))
  await inTurns(1, runs)
  const medians = await inTurns(ROUNDS, runs)
  const base = medians[contestants.findIndex(({ program }) => program === 'qemu-nbd')]
  for (const [index, { name }] of runs.entries()) {
    const speed = medians[index] ?? 0
    const text =
      workload.measure === 'iops' ? `${speed.toFixed(0).padStart(8)} IOPS ` : `${toMib(speed).padStart(8)} MiB/s`
    const ratio = base === undefined || base === speed ? '' : `  ${(speed / base).toFixed(2)} of qemu-nbd`
    console.log(`  ${name.padEnd(24)} ${text}${ratio}`)
  }
}

/** KiB per second, as fio counts. */
function toMib(kib: number): string {
  return (kib / 1024).toFixed(0)
}

/** In the folder: it leaves files where it runs. */
function runFio(uri: string, folder: string, { options, measure, direction }: Workload): number {
  const args = ['--name=x', '--ioengine=nbd', `--uri=${uri}`, `--size=${SIZE}`, '--output-format=json', ...options]
  const { status, error, stdout, stderr } = spawnSync('fio', args, { cwd: folder, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`fio ended with ${status}: ${stderr}`)
  // A notice of the engine may come first.
  const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
    readonly jobs: readonly Record<'read' | 'write', Record<'iops' | 'bw', number>>[]
  }
  const [job] = report.jobs
  if (job === undefined) throw new Error('fio reports no job')
  return job[direction][measure]
}
