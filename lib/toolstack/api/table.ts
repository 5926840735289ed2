import { accessor, accessorNames } from './accessors.ts'
import { eventQueueMethods } from './event-queue.ts'
import { eventMethods } from './event.ts'
import { hostMethods } from './host.ts'
import { messageMethods } from './message.ts'
import { method, type ApiMethod } from './method.ts'
import { pbdMethods } from './pbd.ts'
import { planMethods } from './plan.ts'
import { sessionMethods } from './session.ts'
import { srMethods } from './sr.ts'
import { taskMethods } from './task.ts'
import { vbdMethods } from './vbd.ts'
import { vdiCbtMethods } from './vdi-cbt.ts'
import { vdiCopyMethods } from './vdi-copy.ts'
import { vdiRecordMethods } from './vdi-records.ts'
import { vdiRevertMethods } from './vdi-revert.ts'
import { vdiSnapshotMethods } from './vdi-snapshot.ts'
import { vdiMethods } from './vdi.ts'
import { vmPowerMethods } from './vm-power.ts'
import { vmRevertMethods } from './vm-revert.ts'
import { vmSnapshotMethods } from './vm-snapshot.ts'
import { vmMethods } from './vm.ts'

const systemMethods: readonly ApiMethod[] = [
  method(['system.listMethods', {}, 'strings'], listMethods, { needsSession: false, hasAsync: false }),
]

const calls: readonly ApiMethod[] = [
  ...systemMethods,
  ...sessionMethods,
  ...taskMethods,
  ...eventMethods,
  ...eventQueueMethods,
  ...messageMethods,
  ...hostMethods,
  ...srMethods,
  ...pbdMethods,
  ...vdiMethods,
  ...vdiRecordMethods,
  ...vdiSnapshotMethods,
  ...vdiRevertMethods,
  ...vdiCopyMethods,
  ...vdiCbtMethods,
  ...vbdMethods,
  ...vmMethods,
  ...vmPowerMethods,
  ...vmSnapshotMethods,
  ...vmRevertMethods,
  ...planMethods,
]

const byName = new Map<string, ApiMethod[]>()
for (const call of calls) byName.set(call.name, [...(byName.get(call.name) ?? []), call])

/** The forms of a method, which differ in the number of their parameters; none where it does not exist. */
export function methodsNamed(name: string): readonly ApiMethod[] {
  const found = byName.get(name)
  if (found !== undefined) return found
  const generic = accessor(name)
  return generic === undefined ? [] : [generic]
}

function listMethods(): string[] {
  const names = [...byName.keys()]
  const async = calls.filter(({ hasAsync }) => hasAsync).map(({ name }) => `Async.${name}`)
  return [...new Set([...names, ...async, ...accessorNames()])].sort()
}
