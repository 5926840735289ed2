import { XapiError, type Ref } from '../xapi/XapiClient.ts'
import { inProgress, isAllowed } from './refusals.ts'
import type { RecordOf } from './schema/schema.ts'
import type { Store } from './Store.ts'

type Vm = RecordOf<'VM'>

/** Power states in which an operation is possible; those not named are possible in all. */
const powerStates: ReadonlyMap<string, readonly string[]> = new Map([
  ['start', ['Halted']],
  ['clean_shutdown', ['Running']],
  ['clean_reboot', ['Running']],
  ['hard_shutdown', ['Running', 'Paused', 'Suspended']],
  ['hard_reboot', ['Running', 'Paused']],
  ['pause', ['Running']],
  ['unpause', ['Paused']],
  ['suspend', ['Running']],
  ['resume', ['Suspended']],
  ['checkpoint', ['Running', 'Suspended']],
  ['clone', ['Halted', 'Suspended']],
  ['destroy', ['Halted']],
])

/** What a template, and so a snapshot, can be asked for. */
const templateOperations: ReadonlySet<string> = new Set(['clone', 'destroy', 'revert'])

/** What `VM.allowed_operations` is chosen from, in this order. */
const operations: readonly string[] = [
  ...['snapshot', 'clone', 'revert', 'checkpoint', 'start', 'pause', 'unpause', 'clean_shutdown', 'clean_reboot'],
  ...['hard_shutdown', 'hard_reboot', 'suspend', 'resume', 'destroy'],
]

/** Throws the XapiError that forbids an operation on a VM at this moment (spec toolstack 6). */
export function checkVmOperation(store: Store, ref: Ref, operation: string): void {
  const vm = store.get('VM', ref)
  requireGuest(vm, ref, operation)
  const [conflict] = Object.entries(vm.current_operations)
  if (conflict !== undefined) throw inProgress('VM', ref, conflict)
  requireKind(vm, ref, operation)
  requirePowerState(vm, ref, operation)
}

export function allowedVmOperations(store: Store, ref: Ref): string[] {
  return operations.filter(operation =>
    isAllowed(() => {
      checkVmOperation(store, ref, operation)
    }),
  )
}

function requireGuest(vm: Vm, ref: Ref, operation: string): void {
  if (vm.is_control_domain) throw new XapiError('OPERATION_NOT_ALLOWED', ['This is the control domain'])
  const reason = Object.hasOwn(vm.blocked_operations, operation) ? vm.blocked_operations[operation] : undefined
  if (reason !== undefined) throw new XapiError('OPERATION_BLOCKED', [ref, reason])
}

function requireKind(vm: Vm, ref: Ref, operation: string): void {
  if (operation === 'revert' && !vm.is_a_snapshot) throw new XapiError('REVERT_ONLY_ALLOWED_ON_SNAPSHOT', [])
  if (!vm.is_a_template || templateOperations.has(operation)) return
  throw vm.is_a_snapshot
    ? new XapiError('VM_IS_SNAPSHOT', [ref, operation])
    : new XapiError('VM_IS_TEMPLATE', [ref, operation])
}

/** A snapshot with memory is suspended for ever; it may go all the same. */
function requirePowerState(vm: Vm, ref: Ref, operation: string): void {
  const allowed = powerStates.get(operation)
  if (allowed === undefined || allowed.includes(vm.power_state)) return
  if (vm.is_a_snapshot && templateOperations.has(operation)) return
  const [expected = ''] = allowed
  throw new XapiError('VM_BAD_POWER_STATE', [ref, expected.toLowerCase(), vm.power_state.toLowerCase()])
}
