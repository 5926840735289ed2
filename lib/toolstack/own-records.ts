import { hostname } from 'node:os'
import type { Ref } from '../xapi/XapiClient.ts'
import type { Inventory } from './inventory.ts'
import { nullRef } from './schema/field.ts'
import type { Store } from './Store.ts'

/** The pool and its one host. */
export interface OwnRecords {
  readonly pool: Ref
  readonly host: Ref
}

const softwareVersion = { product_brand: 'sm-ts', product_version: '0.1.0', build_number: '0' }

/** Finds the records of this host and its pool, or makes them (spec toolstack 1: they must match the inventory). */
export function ensureOwnRecords(store: Store, { hostUuid, controlDomainUuid }: Inventory): OwnRecords {
  const host = store.refs('host')[0] ?? makeHost(store)
  const pool = store.refs('pool')[0] ?? store.create('pool', { master: host })
  const domain = controlDomain(store, host) ?? makeControlDomain(store, host)
  setUuid(store, 'host', host, hostUuid)
  setUuid(store, 'VM', domain, controlDomainUuid)
  return { pool, host }
}

function makeHost(store: Store): Ref {
  const metrics = store.create('host_metrics', { live: true })
  return store.create('host', {
    name_label: hostname(),
    hostname: hostname(),
    address: '127.0.0.1',
    enabled: true,
    API_version_major: 2,
    API_version_minor: 21,
    API_version_vendor: 'XenSource',
    software_version: softwareVersion,
    other_config: { multipathing: 'false' },
    edition: 'free',
    metrics,
  })
}

function controlDomain(store: Store, host: Ref): Ref | undefined {
  return store.where('VM', 'resident_on', host).find(vm => store.get('VM', vm).is_control_domain)
}

function makeControlDomain(store: Store, host: Ref): Ref {
  const vm = store.create('VM', {
    name_label: `Control domain on host: ${hostname()}`,
    power_state: 'Running',
    is_control_domain: true,
    resident_on: host,
    domid: 0,
    affinity: nullRef,
  })
  store.update('host', host, { control_domain: vm })
  return vm
}

function setUuid(store: Store, className: 'host' | 'VM', ref: Ref, uuid: string): void {
  if (store.get(className, ref).uuid !== uuid) store.update(className, ref, { uuid })
}
