import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { checkVdiOperation } from '../rules.ts'
import { nullRef } from '../schema/field.ts'
import { adoptSnapshots, isRevertRefusal, revertVdi } from './vdi-revert.ts'
import { cloneVdi } from './vdi-snapshot.ts'
import { duplicateDisks, removeDisks } from './vm.ts'
import { copyVbds, disksOf, type DiskMap } from './vm-parts.ts'

/** A VM and the snapshot that it goes back to. */
interface Pair {
  readonly snapshot: Ref
  readonly vm: Ref
}

/**
 * Makes the disks of a halted VM those of its snapshot (spec toolstack 11.2), in this order:
 *
 * 1. revert in place what can be; a refusal leaves the disk to step 2, any other error ends it all;
 * 2. clone what cannot, and the saved memory;
 * 3. swap the drives in the records, which is the commit point, and make that durable;
 * 4. destroy the disks that were replaced.
 *
 * xapi destroys before it clones. Here a failure up to step 3 leaves every disk of the VM where it was.
 */
export async function revertDisks(call: Call, snapshot: Ref, vm: Ref): Promise<void> {
  const { store } = call.services
  const pair = { snapshot, vm }
  const disks = disksOf(store, snapshot)
  const reverted = await revertInPlace(call, disks)
  const replaced = disksToReplace(call, pair, reverted)
  for (const disk of replaced) checkVdiOperation(store, disk, 'destroy')
  const clones = await cloneRest(call, pair, reverted)
  swapDrives(call, pair, { clones, reverted, replaced })
  await call.services.save()
  await destroyReplaced(call, replaced)
}

/** Snapshots that their disks were reverted to. */
async function revertInPlace(call: Call, disks: readonly Ref[]): Promise<Set<Ref>> {
  const reverted = new Set<Ref>()
  for (const disk of disks) {
    try {
      await revertVdi(call, disk)
      reverted.add(disk)
    } catch (error) {
      if (!isRevertRefusal(error) && !isMissingOriginal(call, disk, error)) throw error
    }
  }
  return reverted
}

/** The disk of this snapshot was destroyed meanwhile. */
function isMissingOriginal(call: Call, disk: Ref, error: unknown): boolean {
  const { store, vmOptions } = call.services
  const { snapshot_of: original } = store.get('VDI', disk)
  const isUnknown = error instanceof XapiError && error.code === 'HANDLE_INVALID' && error.params[1] === original
  return vmOptions.restoreMissingDisks && isUnknown
}

/** Disks of the VM that a clone takes the place of, and its saved memory. Disks made after the snapshot are kept. */
function disksToReplace(call: Call, { snapshot, vm }: Pair, reverted: ReadonlySet<Ref>): Ref[] {
  const { store } = call.services
  const originals = (snapshots: Iterable<Ref>) =>
    new Set([...snapshots].map(disk => store.get('VDI', disk).snapshot_of))
  const known = originals(disksOf(store, snapshot))
  const inPlace = originals(reverted)
  const { suspend_VDI: memory } = store.get('VM', vm)
  const disks = disksOf(store, vm).filter(disk => known.has(disk) && !inPlace.has(disk))
  return memory === nullRef ? disks : [...disks, memory]
}

/** A clone for each snapshot whose disk was not reverted, and for its saved memory. */
function cloneRest(call: Call, { snapshot }: Pair, reverted: ReadonlySet<Ref>): Promise<DiskMap> {
  const { store, system } = call.services
  const { suspend_VDI: memory } = store.get('VM', snapshot)
  const rest = disksOf(store, snapshot).filter(disk => !reverted.has(disk))
  const epochhint = system.newUuid()
  const wanted = store.has('VDI', memory) ? [...rest, memory] : rest
  return duplicateDisks(call, wanted, disk => cloneVdi(call, disk, { epochhint }))
}

interface Swap {
  readonly clones: DiskMap
  readonly reverted: ReadonlySet<Ref>
  readonly replaced: readonly Ref[]
}

/** Nothing in here waits, so the database has all of it or nothing. */
function swapDrives(call: Call, pair: Pair, swap: Swap): void {
  const { store } = call.services
  const { snapshot, vm } = pair
  dropDrives(call, pair, swap)
  for (const [disk, clone] of swap.clones) {
    const { snapshot_of: original, is_a_snapshot: isSnapshot } = store.get('VDI', disk)
    if (isSnapshot && original !== nullRef) adoptSnapshots(call, original, clone)
  }
  const memory = swap.clones.get(store.get('VM', snapshot).suspend_VDI) ?? nullRef
  const detached = call.services.vmOptions.restoreMissingDisks ? detachedDisks(call, pair, swap.reverted) : []
  copyVbds(call, { from: snapshot, to: vm, disks: new Map([...swap.clones, ...detached]) })
  store.update('VM', vm, { suspend_VDI: memory })
}

/** Drives with replaced disks, with disks that the snapshot does not know, and all CD drives. */
function dropDrives(call: Call, { snapshot, vm }: Pair, { replaced }: Swap): void {
  const { store } = call.services
  const known = new Set(disksOf(store, snapshot).map(disk => store.get('VDI', disk).snapshot_of))
  const clonedFor = new Set(replaced)
  for (const ref of store.where('VBD', 'VM', vm)) {
    const { type, VDI } = store.get('VBD', ref)
    if (type === 'CD' || clonedFor.has(VDI) || !known.has(VDI)) store.remove('VBD', ref)
  }
}

/** Disks that were reverted although the VM has no drive with them any more, by snapshot. */
function detachedDisks(call: Call, { vm }: Pair, reverted: ReadonlySet<Ref>): [Ref, Ref][] {
  const { store } = call.services
  const attached = new Set(disksOf(store, vm))
  return [...reverted]
    .map((disk): [Ref, Ref] => [disk, store.get('VDI', disk).snapshot_of])
    .filter(([, original]) => !attached.has(original))
}

/** The VM does not need them any more: one that cannot be destroyed now is an ordinary disk without a drive. */
async function destroyReplaced(call: Call, disks: readonly Ref[]): Promise<void> {
  const { store } = call.services
  const existing = disks.filter(disk => store.has('VDI', disk))
  const isOnDisc = (disk: Ref) => store.get('SR', store.get('VDI', disk).SR).content_type === 'iso'
  await removeDisks(
    call,
    existing.filter(disk => !isOnDisc(disk)),
  )
}
