import type { SrStorage, Storage, VdiPlace, VdiStorage } from './Storage.ts'
import { StorageLocks } from './StorageLocks.ts'

/**
 * Keeps calls apart as xapi's wrapper of SMAPIv1 does (spec smapi 6): what opens or changes one disk has the disk for
 * itself, and an SR is attached, detached and destroyed while none of its disks is in use. A revert takes no lock here,
 * as in xapi: the plugin's own lock of the SR keeps others away.
 */
export function lockedStorage(inner: Storage): Storage {
  const locks = new StorageLocks()
  return { SR: lockedSrs(inner.SR, locks), VDI: lockedVdis(inner.VDI, locks) }
}

function lockedSrs(inner: SrStorage, locks: StorageLocks): SrStorage {
  return {
    ...inner,
    create: (dbg, sr, size) => locks.withSr(sr, () => inner.create(dbg, sr, size)),
    attach: (dbg, sr) => locks.withSr(sr, () => inner.attach(dbg, sr)),
    detach: (dbg, sr) => locks.withSr(sr, () => inner.detach(dbg, sr)),
    destroy: (dbg, sr) => locks.withSr(sr, () => inner.destroy(dbg, sr)),
  }
}

function lockedVdis(inner: VdiStorage, locks: StorageLocks): VdiStorage {
  const on = <T>(place: VdiPlace, body: () => Promise<T>) => locks.withVdi(place, body)
  return {
    ...inner,
    destroy: (dbg, place) => on(place, () => inner.destroy(dbg, place)),
    snapshot: (dbg, place, params) => on(place, () => inner.snapshot(dbg, place, params)),
    clone: (dbg, place, params) => on(place, () => inner.clone(dbg, place, params)),
    resize: (dbg, place, size) => on(place, () => inner.resize(dbg, place, size)),
    compose: (dbg, place, base) => on(place, () => inner.compose(dbg, place, base)),
    epoch_begin: (dbg, place) => on(place, () => inner.epoch_begin(dbg, place)),
    epoch_end: (dbg, place) => on(place, () => inner.epoch_end(dbg, place)),
    attach2: (dbg, place, writable) => on(place, () => inner.attach2(dbg, place, writable)),
    activate: (dbg, place, writable) => on(place, () => inner.activate(dbg, place, writable)),
    deactivate: (dbg, place) => on(place, () => inner.deactivate(dbg, place)),
    detach: (dbg, place) => on(place, () => inner.detach(dbg, place)),
    enable_cbt: (dbg, place) => on(place, () => inner.enable_cbt(dbg, place)),
    disable_cbt: (dbg, place) => on(place, () => inner.disable_cbt(dbg, place)),
    data_destroy: (dbg, place) => on(place, () => inner.data_destroy(dbg, place)),
    list_changed_blocks: (dbg, from, to) => on(from, () => inner.list_changed_blocks(dbg, from, to)),
  }
}
