import { XapiError, type Ref } from '../xapi/XapiClient.ts'
import type { RecordOf } from './schema/schema.ts'
import { inProgress, isAllowed } from './refusals.ts'
import type { Store } from './Store.ts'

const cbtOperations = ['enable_cbt', 'disable_cbt', 'data_destroy', 'list_changed_blocks']

/** Features that SR operations need; those not named need none (spec toolstack 6). */
const srFeatures: ReadonlyMap<string, string> = new Map([
  ['vdi_create', 'VDI_CREATE'],
  ['vdi_destroy', 'VDI_DELETE'],
  ['vdi_resize', 'VDI_RESIZE'],
  ['vdi_introduce', 'VDI_INTRODUCE'],
  ['vdi_snapshot', 'VDI_SNAPSHOT'],
  ['vdi_revert', 'VDI_REVERT'],
  ['vdi_mirror', 'VDI_MIRROR'],
  ['update', 'SR_UPDATE'],
  ['vdi_set_on_boot', 'VDI_RESET_ON_BOOT'],
  ...cbtOperations.map(name => [`vdi_${name}`, 'VDI_CONFIG_CBT'] as const),
])

const vdiFeatures: ReadonlyMap<string, string> = new Map([
  ['snapshot', 'VDI_SNAPSHOT'],
  ['destroy', 'VDI_DELETE'],
  ['resize', 'VDI_RESIZE'],
  ['resize_online', 'VDI_RESIZE_ONLINE'],
  ['clone', 'VDI_CLONE'],
  ['revert_to', 'VDI_CLONE'],
  ['revert_from', 'VDI_CLONE'],
  ['update', 'VDI_UPDATE'],
  ['generate_config', 'VDI_GENERATE_CONFIG'],
  ['set_on_boot', 'VDI_RESET_ON_BOOT'],
  ...cbtOperations.map(name => [name, 'VDI_CONFIG_CBT'] as const),
])

/** What may be done to a VDI that a VBD has attached. */
const attachedOperations: ReadonlySet<string> = new Set([
  ...['snapshot', 'clone', 'resize_online', 'revert_to', 'mirror', 'enable_cbt', 'disable_cbt', 'data_destroy'],
  'blocked',
])

const notOnCbtMetadata: ReadonlySet<string> = new Set([
  ...['clone', 'copy', 'resize', 'resize_online', 'snapshot', 'revert_to', 'revert_from', 'set_on_boot'],
  ...['enable_cbt', 'disable_cbt'],
])

/** What `SR.allowed_operations` is chosen from, in this order. */
const srOperations: readonly string[] = [
  ...['scan', 'destroy', 'forget', 'plug', 'unplug', 'vdi_create', 'vdi_destroy', 'vdi_resize', 'vdi_clone'],
  ...['vdi_snapshot', 'vdi_mirror', 'vdi_enable_cbt', 'vdi_disable_cbt', 'vdi_data_destroy'],
  ...['vdi_list_changed_blocks', 'vdi_set_on_boot', 'vdi_introduce', 'vdi_revert', 'update'],
  ...['pbd_create', 'pbd_destroy'],
]

/** Clients never see the revert operations here (spec smapi 8.7). */
const vdiOperations: readonly string[] = [
  ...['clone', 'copy', 'resize', 'resize_online', 'snapshot', 'destroy', 'forget', 'update', 'generate_config'],
]

/** Throws the XapiError that forbids an operation on an SR at this moment (spec toolstack 6). */
export function checkSrOperation(store: Store, ref: Ref, operation: string): void {
  const sr = store.get('SR', ref)
  requireFeature(store, ref, srFeatures.get(operation))
  const [conflict] = Object.entries(sr.current_operations).filter(([, current]) => current !== 'plug')
  if (conflict !== undefined) throw inProgress('SR', ref, conflict)
  if (operation === 'destroy' || operation === 'forget') requireUnplugged(store, ref)
  if (operation === 'destroy') requireEmpty(store, ref)
}

/** Throws the XapiError that forbids an operation on a VDI at this moment. */
export function checkVdiOperation(store: Store, ref: Ref, operation: string): void {
  const vdi = store.get('VDI', ref)
  requireFeature(store, vdi.SR, vdiFeatures.get(operation))
  const [conflict] = Object.entries(vdi.current_operations).filter(([, current]) => current !== 'copy')
  if (conflict !== undefined) throw inProgress('VDI', ref, conflict)
  requireDetached(store, ref, operation)
  requireKind(vdi, ref, operation)
}

export function allowedSrOperations(store: Store, ref: Ref): string[] {
  return srOperations.filter(operation =>
    isAllowed(() => {
      checkSrOperation(store, ref, operation)
    }),
  )
}

export function allowedVdiOperations(store: Store, ref: Ref): string[] {
  return vdiOperations.filter(operation =>
    isAllowed(() => {
      checkVdiOperation(store, ref, operation)
    }),
  )
}

/** Versions of the features that an SR's driver offers; none where its driver is not known. */
export function featuresOf(store: Store, sr: Ref): Readonly<Record<string, number>> {
  const [sm] = store.where('SM', 'type', store.get('SR', sr).type)
  return sm === undefined ? {} : store.get('SM', sm).features
}

function requireFeature(store: Store, sr: Ref, feature: string | undefined): void {
  if (feature !== undefined && !Object.hasOwn(featuresOf(store, sr), feature)) {
    throw new XapiError('SR_OPERATION_NOT_SUPPORTED', [sr])
  }
}

function requireUnplugged(store: Store, sr: Ref): void {
  if (store.where('PBD', 'SR', sr).some(pbd => store.get('PBD', pbd).currently_attached)) {
    throw new XapiError('SR_HAS_PBD', [sr])
  }
}

function requireEmpty(store: Store, sr: Ref): void {
  if (store.where('PBD', 'SR', sr).length === 0) throw new XapiError('SR_HAS_NO_PBDS', [sr])
  const disks = store.where('VDI', 'SR', sr).map(vdi => store.get('VDI', vdi))
  if (disks.some(({ managed, type }) => managed && type !== 'rrd')) throw new XapiError('SR_NOT_EMPTY', [])
}

function requireDetached(store: Store, vdi: Ref, operation: string): void {
  const active = store
    .where('VBD', 'VDI', vdi)
    .map(vbd => store.get('VBD', vbd))
    .filter(({ currently_attached: attached, reserved }) => attached || reserved)
  const copyable = operation === 'copy' && active.every(({ mode }) => mode === 'RO')
  if (active.length > 0 && !copyable && !attachedOperations.has(operation)) {
    throw new XapiError('VDI_IN_USE', [vdi, operation])
  }
}

function requireKind(vdi: RecordOf<'VDI'>, ref: Ref, operation: string): void {
  if (vdi.type === 'cbt_metadata' && notOnCbtMetadata.has(operation)) {
    throw new XapiError('VDI_INCOMPATIBLE_TYPE', [ref, vdi.type])
  }
  if (operation === 'revert_to' && !vdi.is_a_snapshot) throw new XapiError('REVERT_ONLY_ALLOWED_ON_SNAPSHOT', [])
  if (operation === 'snapshot' && vdi.sharable) throw new XapiError('VDI_IS_SHARABLE', [ref])
  if ((operation === 'snapshot' || operation === 'copy') && vdi.on_boot === 'reset') {
    throw new XapiError('VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION', [])
  }
  if (operation === 'data_destroy' && !(vdi.is_a_snapshot && vdi.cbt_enabled)) {
    throw new XapiError('OPERATION_NOT_ALLOWED', ['data_destroy needs a snapshot with changed block tracking'])
  }
}
