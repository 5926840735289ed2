import { epoch } from '../schema/field.ts'
import { VdiDoesNotExist } from './errors.ts'
import { PluginCalls, type PluginEnvironment } from './PluginCalls.ts'
import { readBackend, readNil, readPlace, readString, type Location } from './plugin-response.ts'
import type { SrStorage, Storage, VdiInfo, VdiPlace, VdiStorage } from './Storage.ts'
import { findSr, findVdi, vdiInfoOf } from './vdi-info.ts'

/** Storage through SMAPIv1 plugins, called as xapi calls them (spec smapi 7). */
export function smapiv1Storage(environment: PluginEnvironment): Storage {
  const plugins = new PluginCalls(environment)
  return { SR: srStorage(plugins), VDI: { ...diskStorage(plugins), ...datapath(plugins), ...blockTracking(plugins) } }
}

function srStorage(plugins: PluginCalls): SrStorage {
  const { store } = plugins
  return {
    create: (dbg, sr, size) => plugins.onSr(dbg, sr, ['sr_create', { args: [String(size)] }], readNil),
    attach: (dbg, sr) => plugins.onSr(dbg, sr, ['sr_attach', {}], readNil),
    detach: (dbg, sr) => plugins.onSr(dbg, sr, ['sr_detach', {}], readNil),
    destroy: (dbg, sr) => plugins.onSr(dbg, sr, ['sr_delete', {}], readNil),
    scan: async (dbg, sr) => {
      await plugins.onSr(dbg, sr, ['sr_scan', {}], readNil)
      return store.where('VDI', 'SR', findSr(store, sr)).map(ref => vdiInfoOf(store, ref))
    },
    stat: async (dbg, sr) => {
      await plugins.onSr(dbg, sr, ['sr_update', {}], readNil)
      const { virtual_allocation, physical_utilisation, physical_size } = store.get('SR', findSr(store, sr))
      return { virtual_allocation, physical_utilisation, physical_size }
    },
    probe: (dbg, request) => plugins.probe(dbg, request, readString),
  }
}

type Disks = 'create' | 'introduce' | 'stat' | 'destroy' | 'snapshot' | 'clone' | 'resize' | 'update' | 'revert'

function diskStorage(plugins: PluginCalls): Pick<VdiStorage, Disks | 'compose'> {
  const { store } = plugins
  return {
    create: async (dbg, sr, vdi) => {
      const { virtual_size, name_label, name_description, read_only } = vdi
      const args = [String(virtual_size), name_label, name_description, '', 'false', epoch, '', String(read_only)]
      const members = { args, vdi_type: vdi.ty, vdi_sm_config: vdi.sm_config }
      return madeDisk(plugins, sr, await plugins.onSr(dbg, sr, ['vdi_create', members], readPlace))
    },
    introduce: async (dbg, sr, { uuid, location, sm_config }) => {
      const members = { new_uuid: uuid, vdi_location: location, vdi_sm_config: sm_config }
      return madeDisk(plugins, sr, await plugins.onSr(dbg, sr, ['vdi_introduce', members], readPlace))
    },
    stat: (_dbg, place) => Promise.resolve(vdiInfoOf(store, findVdi(store, place))),
    destroy: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_delete'], readNil),
    snapshot: async (dbg, place, driver_params) =>
      madeDisk(plugins, place.sr, await plugins.onVdi(dbg, place, ['vdi_snapshot', { driver_params }], readPlace)),
    clone: async (dbg, place, driver_params) =>
      madeDisk(plugins, place.sr, await plugins.onVdi(dbg, place, ['vdi_clone', { driver_params }], readPlace)),
    resize: async (dbg, place, size) => {
      await plugins.onVdi(dbg, place, ['vdi_resize', { args: [String(size)] }], readPlace)
      return store.get('VDI', findVdi(store, place)).virtual_size
    },
    update: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_update'], readNil),
    revert: async (dbg, sr, { vdi, snapshot_of }) => {
      const target = targetOf(plugins, sr, snapshot_of)
      await plugins.onVdi(dbg, { sr, vdi }, ['vdi_revert', { args: [target] }], readNil)
    },
    compose: async (dbg, place, base) => {
      await plugins.onVdi(dbg, place, ['vdi_compose', { args: [findVdi(store, base)] }], readNil)
    },
  }
}

type Datapath = 'epoch_begin' | 'epoch_end' | 'attach2' | 'activate' | 'deactivate' | 'detach' | 'set_persistent'

function datapath(plugins: PluginCalls): Pick<VdiStorage, Datapath> {
  const { store } = plugins
  return {
    epoch_begin: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_epoch_begin'], readNil),
    epoch_end: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_epoch_end'], readNil),
    attach2: (dbg, place, writable) =>
      plugins.onVdi(dbg, place, ['vdi_attach', { args: [String(writable)] }], readBackend),
    activate: (dbg, place, writable) =>
      plugins.onVdi(dbg, place, ['vdi_activate', { args: [String(writable)] }], readNil),
    deactivate: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_deactivate'], readNil),
    detach: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_detach'], readNil),
    set_persistent: (_dbg, place, persistent) => {
      store.update('VDI', findVdi(store, place), { on_boot: persistent ? 'persist' : 'reset' })
      return Promise.resolve()
    },
  }
}

type BlockTracking = 'enable_cbt' | 'disable_cbt' | 'data_destroy' | 'list_changed_blocks'

function blockTracking(plugins: PluginCalls): Pick<VdiStorage, BlockTracking> {
  return {
    enable_cbt: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_enable_cbt'], readNil),
    disable_cbt: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_disable_cbt'], readNil),
    data_destroy: (dbg, place) => plugins.onVdi(dbg, place, ['vdi_data_destroy'], readNil),
    list_changed_blocks: async (dbg, from, to) => {
      const args = [findVdi(plugins.store, to)]
      return plugins.onVdi(dbg, from, ['vdi_list_changed_blocks', { args }], readString)
    },
  }
}

/** The driver has put a record of a new disk into the database. Throws VdiDoesNotExist where it has not. */
function madeDisk({ store }: PluginCalls, sr: string, { location }: Location): VdiInfo {
  const place: VdiPlace = { sr, vdi: location }
  return vdiInfoOf(store, findVdi(store, place))
}

/** Drivers want the reference of the disk that is reverted (spec smapi 8.2). */
function targetOf({ store }: PluginCalls, sr: string, uuid: string): string {
  const srRef = findSr(store, sr)
  const found = store.where('VDI', 'uuid', uuid).find(ref => store.get('VDI', ref).SR === srRef)
  if (found === undefined) throw new VdiDoesNotExist(uuid)
  return found
}
