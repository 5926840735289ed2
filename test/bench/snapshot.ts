import { rm } from 'node:fs/promises'
import path from 'node:path'
import { makeSystem } from '../../lib/os/system.ts'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import { compare, has, timeOf, timeOfProcess } from './measure.ts'

const GIB = 1024 ** 3
const ROUNDS = 15

/** A child of a small and of the largest disk, each made durable. */
export async function benchSnapshot(folder: string): Promise<void> {
  const util = new EmbeddedVhdUtil(makeSystem())
  for (const gib of [1, 2040]) {
    const parent = path.join(folder, `parent-${gib}.vhd`)
    const child = path.join(folder, 'child.vhd')
    await util.create(parent, gib * GIB)
    const prepare = async (): Promise<void> => rm(child, { force: true })
    await compare(`snapshot of ${gib} GiB`, ROUNDS, [
      {
        name: 'in this process',
        prepare,
        run: () => timeOf(() => util.snapshot(child, parent, { exactParent: true })),
      },
      ...rivals(folder, { parent, child, gib }).map(({ name, argv: [program, ...args] }) => ({
        name,
        prepare,
        run: () => Promise.resolve(timeOfProcess(program, args)),
      })),
    ])
  }
}

interface Rival {
  readonly name: string
  readonly argv: [string, ...string[]]
}

function rivals(folder: string, { parent, child, gib }: { parent: string; child: string; gib: number }): Rival[] {
  const cow = path.join(folder, 'child.qcow2')
  const found: Rival[] = []
  if (has('vhd-util'))
    found.push({
      name: 'vhd-util snapshot, a process',
      argv: ['vhd-util', 'snapshot', '-n', child, '-p', parent, '-e'],
    })
  if (has('qemu-img')) {
    const size = String(gib * GIB)
    const argv: Rival['argv'] = ['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'vpc', '-b', parent, cow, size]
    found.push({ name: 'qemu-img create -f qcow2 -b, a process', argv })
  }
  found.push({ name: 'cp of the empty parent, a process', argv: ['cp', parent, child] })
  return found
}
