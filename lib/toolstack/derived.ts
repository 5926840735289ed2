import type { Ref } from '../xapi/XapiClient.ts'
import { allowedVmOperations } from './rules-vm.ts'
import { allowedSrOperations, allowedVdiOperations } from './rules.ts'
import type { FieldValue } from './schema/field.ts'
import { definitionOf, type ClassName, type FieldName } from './schema/schema.ts'
import type { Store } from './Store.ts'

type Derive = (store: Store, ref: Ref) => FieldValue

/** How the fields are computed that are never stored (spec toolstack 4, fields marked `*`). */
const derivations: Readonly<Record<string, Derive>> = {
  'SR.allowed_operations': allowedSrOperations,
  'SR.VDIs': referrers('VDI', 'SR'),
  'SR.PBDs': referrers('PBD', 'SR'),
  'VDI.allowed_operations': allowedVdiOperations,
  'VDI.VBDs': referrers('VBD', 'VDI'),
  'VDI.snapshots': referrers('VDI', 'snapshot_of'),
  'VM.allowed_operations': allowedVmOperations,
  'VM.VBDs': referrers('VBD', 'VM'),
  'VM.VIFs': referrers('VIF', 'VM'),
  'network.VIFs': referrers('VIF', 'network'),
  'VM.snapshots': referrers('VM', 'snapshot_of'),
  'VM.children': referrers('VM', 'parent'),
  'host.PBDs': referrers('PBD', 'host'),
  'host.resident_VMs': referrers('VM', 'resident_on'),
  'task.subtasks': referrers('task', 'subtask_of'),
}

/** The whole record of an object, derived fields included, in the order of its class. Throws XapiError HANDLE_INVALID. */
export function viewRecord(store: Store, className: ClassName, ref: Ref): Readonly<Record<string, FieldValue>> {
  const stored = store.get(className, ref) as Readonly<Record<string, FieldValue>>
  const derived = definitionOf(className).derived.map(field => [field, derive(store, className, field, ref)] as const)
  return { ...stored, ...Object.fromEntries(derived) }
}

/** One field of an object, derived or stored; the class must have it. */
export function viewField(store: Store, className: ClassName, ref: Ref, field: string): FieldValue | undefined {
  const stored = store.get(className, ref) as Readonly<Record<string, FieldValue>>
  return definitionOf(className).derived.includes(field) ? derive(store, className, field, ref) : stored[field]
}

function derive(store: Store, className: ClassName, field: string, ref: Ref): FieldValue {
  const derivation = derivations[`${className}.${field}`]
  if (derivation === undefined) throw new TypeError(`${className}.${field} has no derivation`)
  return derivation(store, ref)
}

function referrers<C extends ClassName>(className: C, field: FieldName<C>): Derive {
  return (store, ref) => store.where(className, field, ref)
}
