import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readCapacity, refreshPathSizes } from '../../../lib/scsi/capacity.ts'
import { fcHost, LUN_A, type Answer } from './support.ts'

const TIB = 2 ** 40
const capacityOf = (bytes: number) => `0x${(bytes / 512).toString(16)} 0x200\n`
const inTurn = (answers: readonly Answer[]) => {
  const left = [...answers]
  return () => left.shift() ?? 99
}

test('a disk of the size that the kernel has is left as it is', async () => {
  const host = fcHost({ sg_readcap: () => capacityOf(TIB) })
  expect(await refreshPathSizes(host.deps, LUN_A)).toBe(true)
  expect(host.commands).toEqual(['sg_readcap -b /dev/sdb', 'sg_readcap -b /dev/sdd'])
})

test('every path of a grown disk is read anew', async () => {
  const grown = capacityOf(2 * TIB)
  const host = fcHost({
    sg_readcap: () => grown,
    timeout: args => {
      const name = /block\/(\w+)\//.exec(args.at(-1) ?? '')?.[1] ?? ''
      writeFileSync(path.join(host.root, 'sys/block', name, 'size'), `${(2 * TIB) / 512}\n`)
      return ''
    },
  })
  expect(await refreshPathSizes(host.deps, LUN_A)).toBe(true)
  expect(host.commands.filter(line => line.startsWith('timeout')).sort()).toEqual([
    'timeout --signal=KILL 10 tee /sys/block/sdb/device/rescan 1',
    'timeout --signal=KILL 10 tee /sys/block/sdd/device/rescan 1',
  ])
  expect(readFileSync(path.join(host.root, 'sys/block/sdd/size'), 'utf8')).toBe('4294967296\n')
})

test.each<[string, Answer]>([
  ['keeps the old size', capacityOf(2 * TIB)],
  ['does not answer', 5],
  ['answers nonsense', 'none\n'],
])('nothing grows onto a disk of which a path %s', async (_, answer) => {
  const { deps } = fcHost({ sg_readcap: ([, device]) => (device?.endsWith('sdd') === true ? answer : capacityOf(TIB)) })
  expect(await refreshPathSizes(deps, LUN_A)).toBe(false)
})

test('nothing grows onto a disk that is not there', async () => {
  expect(await refreshPathSizes(fcHost().deps, '36nothing')).toBe(false)
})

test.each<[Answer[], number | undefined]>([
  [[capacityOf(TIB)], TIB],
  [[{ exitCode: 21, stdout: capacityOf(TIB) }], TIB],
  [[2, 6, capacityOf(TIB)], TIB],
  [[11, 14, 33, capacityOf(TIB)], undefined],
])('sg_readcap ending with %j tells %s', async (answers, bytes) => {
  const { deps } = fcHost({ sg_readcap: inTurn(answers) })
  expect(await readCapacity(deps, '/dev/sdb')).toBe(bytes)
})
