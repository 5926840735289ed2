import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptyChildBytes, planRevert, type RevertFacts, type RevertNode } from '../../lib/vhd/revert-plan.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

const node = (uuid: string, changes: Partial<RevertNode> = {}): RevertNode => ({
  uuid,
  emptyChild: false,
  hidden: true,
  virtualSize: GIB,
  raw: false,
  ...changes,
})
const emptyLeaf = (uuid: string): RevertNode => node(uuid, { emptyChild: true, hidden: false })

function facts(changes: Partial<Omit<RevertFacts, 'snapshot' | 'target'>> = {}): RevertFacts {
  const disk = {
    kind: 'vhd',
    hidden: false,
    managed: true,
    inCollection: false,
    children: [],
  } as const
  return {
    snapshot: { ...disk, uuid: 's', isWritten: false, isPausedByOthers: false },
    target: {
      ...disk,
      uuid: 't',
      isASnapshot: false,
      hasChangeLog: false,
      activeOn: [],
      busyWith: [],
      emptyChildOf: undefined,
      virtualSize: GIB,
    },
    chain: [emptyLeaf('s'), node('base')],
    chainProblem: undefined,
    freeBytes: GIB,
    maxDepth: 30,
    ...changes,
  }
}

const target = (changes: Partial<RevertFacts['target']>): RevertFacts => {
  const all = facts()
  return { ...all, target: { ...all.target, ...changes } }
}
const snapshot = (changes: Partial<RevertFacts['snapshot']>): RevertFacts => {
  const all = facts()
  return { ...all, snapshot: { ...all.snapshot, ...changes } }
}
const firstError = (given: RevertFacts) => planRevert(given).blockers[0]?.error

describe('the plan', () => {
  test('relinks the target to the parent of an untouched snapshot', () => {
    const { plan, blockers } = planRevert(facts())
    expect(blockers).toEqual([])
    expect(plan).toMatchObject({ mode: 'relink', backing: 'base', hideBacking: false, depthAfter: 2, virtualSize: GIB })
  })

  test('passes over empty differencing nodes between the snapshot and the data', () => {
    const { plan } = planRevert(facts({ chain: [emptyLeaf('s'), emptyLeaf('empty'), node('base'), node('root')] }))
    expect(plan).toMatchObject({ mode: 'relink', backing: 'base', depthAfter: 3 })
  })

  test('hides a backing node that an interrupted snapshot left visible', () => {
    const { plan } = planRevert(facts({ chain: [emptyLeaf('s'), node('base', { hidden: false })] }))
    expect(plan).toMatchObject({ mode: 'relink', hideBacking: true })
  })

  test('splits a snapshot that holds data, which makes the chain one longer', () => {
    const { plan } = planRevert(facts({ chain: [node('s', { hidden: false }), node('base')] }))
    expect(plan).toMatchObject({ mode: 'split', backing: 's', depthAfter: 3 })
  })

  test('splits a snapshot that is a root', () => {
    expect(planRevert(facts({ chain: [node('s', { hidden: false })] })).plan).toMatchObject({
      mode: 'split',
      depthAfter: 2,
    })
  })

  test('does nothing where the target is an untouched child of the right parent already', () => {
    const { plan, blockers } = planRevert(target({ emptyChildOf: 'base' }))
    expect(plan).toMatchObject({ mode: 'nothing', spaceNeeded: 0 })
    expect(blockers).toEqual([])
  })

  test('relinks where only the size differs', () => {
    expect(planRevert(target({ emptyChildOf: 'base', virtualSize: 2 * GIB })).plan.mode).toBe('relink')
  })

  test('gives the target the size of the snapshot, larger or smaller', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 1_000_000 }), (before, after) => {
        const given = target({ virtualSize: before * 2 * MIB })
        const chain = [{ ...emptyLeaf('s'), virtualSize: after * 2 * MIB }, node('base', { virtualSize: 2 * MIB })]
        expect(planRevert({ ...given, chain }).plan.virtualSize).toBe(after * 2 * MIB)
      }),
    )
  })

  test('needs room for metadata alone, however large the disk', () => {
    expect(emptyChildBytes(10 * MIB)).toBe(5120)
    expect(emptyChildBytes(2048 * GIB)).toBe(4_329_472)
  })
})

describe('what stands in the way', () => {
  test.each([
    ['a target that is a snapshot', target({ isASnapshot: true }), 'VDIType'],
    ['a target without data', target({ kind: 'missing' }), 'VDIUnavailable'],
    ['a hidden target', target({ hidden: true }), 'VDIUnavailable'],
    ['an unmanaged snapshot', snapshot({ managed: false }), 'VDIUnavailable'],
    ['change metadata as the snapshot', snapshot({ kind: 'log' }), 'VDIType'],
    ['a format this driver does not handle', target({ kind: 'unknown' }), 'VDIType'],
    ['a raw target', target({ kind: 'raw' }), 'Unimplemented'],
    ['a raw snapshot', snapshot({ kind: 'raw' }), 'Unimplemented'],
    ['changed block tracking on the target', target({ hasChangeLog: true }), 'Unimplemented'],
    ['disks built on the target', target({ children: ['x'] }), 'VDIInUse'],
    ['a target that is active', target({ activeOn: ['OpaqueRef:h'] }), 'VDIInUse'],
    ['a target that is paused', target({ busyWith: ['paused'] }), 'VDIUnavailable'],
    ['a target the collector was interrupted on', target({ inCollection: true }), 'VDIUnavailable'],
    ['a snapshot the collector was interrupted on', snapshot({ inCollection: true }), 'VDIUnavailable'],
    ['a broken chain', facts({ chainProblem: 'gone' }), 'VDIUnavailable'],
    ['a raw root', facts({ chain: [emptyLeaf('s'), node('base'), node('r', { raw: true })] }), 'Unimplemented'],
    ['too little room', facts({ freeBytes: 1000 }), 'SRNoSpace'],
  ])('%s', (_what, given, error) => {
    expect(firstError(given)).toBe(error)
  })

  test('a chain at its limit only where a level would be added', () => {
    const deep = Array.from({ length: 29 }, (_, index) => node(`n${index}`))
    expect(firstError(facts({ chain: [emptyLeaf('s'), ...deep] }))).toBeUndefined()
    expect(firstError(facts({ chain: [node('s', { hidden: false }), ...deep] }))).toBe('SnapshotChainTooLong')
  })

  test('disks built on the snapshot only where its image would have to move', () => {
    const given = snapshot({ children: ['x'] })
    expect(firstError(given)).toBeUndefined()
    expect(firstError({ ...given, chain: [node('s', { hidden: false })] })).toBe('VDIUnavailable')
  })

  test('a snapshot that others have paused only where it would have to be paused', () => {
    const given = snapshot({ isPausedByOthers: true })
    expect(firstError(given)).toBeUndefined()
    expect(firstError({ ...given, chain: [node('s', { hidden: false })] })).toBe('VDIUnavailable')
    expect(firstError(snapshot({ isPausedByOthers: true, isWritten: true }))).toBe('VDIUnavailable')
  })

  test('an old target that cannot be read does not: its content is not needed', () => {
    expect(firstError(target({ emptyChildOf: undefined }))).toBeUndefined()
  })

  test('the fallback that destroys the target is only invited where nothing else is wrong first', () => {
    expect(firstError(target({ kind: 'raw', isASnapshot: true }))).toBe('VDIType')
    expect(firstError({ ...target({ kind: 'raw' }), chainProblem: 'gone' })).toBe('VDIUnavailable')
    expect(firstError({ ...target({ hasChangeLog: true }), freeBytes: 0 })).toBe('SRNoSpace')
  })
})
