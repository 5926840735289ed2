import { copyFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { makeSystem } from '../../lib/os/system.ts'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import { type Contestant, compare, has, timeOf, timeOfProcess } from './measure.ts'

const GIB = 1024 ** 3

/** Scans directories of differencing disks. The process is timed with and without its own start. */
export async function benchScan(folder: string): Promise<void> {
  for (const [count, rounds] of [
    [1000, 15],
    [10_000, 5],
  ] as const) {
    const directory = path.join(folder, `scan-${count}`)
    await fillDirectory(directory, count)
    await compare(`scan of ${count} VHDs`, rounds, contestants(directory))
  }
}

/** What `bench.cjs scan DIRECTORY` does: one scan in a fresh process. */
export async function scanOnce(directory: string): Promise<void> {
  await new EmbeddedVhdUtil(makeSystem()).scan(directory)
}

function contestants(directory: string): Contestant[] {
  const self = process.argv[1] ?? ''
  const process_ = (name: string, program: string, args: string[]): Contestant => ({
    name,
    run: () => Promise.resolve(timeOfProcess(program, args)),
  })
  const own = (): number => timeOfProcess(process.execPath, [self, 'scan', directory])
  const start = (): number => timeOfProcess(process.execPath, [self, 'nothing'])
  return [
    process_('head -c 1536 of each, a process', 'find', [
      directory,
      '-name',
      '*.vhd',
      '-exec',
      'head',
      '-qc',
      '1536',
      '{}',
      '+',
    ]),
    { name: 'a fresh process, its start taken off', run: () => Promise.resolve(own() - start()) },
    { name: 'in a process that has scanned before', run: () => timeOf(() => scanOnce(directory)) },
    ...(has('vhd-util') ? [process_('vhd-util scan -f', 'vhd-util', ['scan', '-f', '-m', `${directory}/*.vhd`])] : []),
  ]
}

async function fillDirectory(directory: string, count: number): Promise<void> {
  mkdirSync(directory)
  const util = new EmbeddedVhdUtil(makeSystem())
  const nameOf = (index: number): string => path.join(directory, `${String(index).padStart(6, '0')}.vhd`)
  await util.create(nameOf(0), 100 * GIB)
  await util.snapshot(nameOf(1), nameOf(0), { exactParent: true })
  for (let index = 2; index < count; index += 1) copyFileSync(nameOf(1), nameOf(index))
}
