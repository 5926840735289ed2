import { map, operations, reference, references, set, text, type Field, type ListedClass } from '../fields.ts'

/** The host that an SR is connected to; `<shared>` where it is any. */
const srHost: Field = {
  name: 'host',
  access: ' RO',
  field: 'PBDs',
  read: async (record, tables) => {
    if (record['shared'] === true) return '<shared>'
    const [first] = Array.isArray(record['PBDs']) ? (record['PBDs'] as unknown[]) : []
    const pbd = await tables.find('PBD', first)
    const host = await tables.find('host', pbd?.['host'])
    return typeof host?.['name_label'] === 'string' ? host['name_label'] : '<not in database>'
  },
}

export const sr: ListedClass = {
  prefix: 'sr',
  className: 'SR',
  columns: ['uuid', 'name-label', 'name-description', 'host', 'type', 'content-type'],
  fields: [
    text('uuid'),
    text('name-label', ' RW'),
    text('name-description', ' RW'),
    srHost,
    set('allowed-operations'),
    operations('current-operations'),
    references('VDIs', ['VDIs', 'VDI']),
    references('PBDs', ['PBDs', 'PBD']),
    text('virtual-allocation'),
    text('physical-utilisation'),
    text('physical-size'),
    text('type'),
    text('content-type'),
    text('shared'),
    reference('introduced-by', ['introduced_by', 'SR']),
    text('is-tools-sr'),
    map('other-config', 'MRW'),
    map('sm-config'),
    set('blobs', 'SRO'),
    text('local-cache-enabled'),
    set('tags', 'SRW'),
    text('clustered'),
  ],
}

export const pbd: ListedClass = {
  prefix: 'pbd',
  className: 'PBD',
  columns: ['uuid', 'host-uuid', 'sr-uuid', 'device-config', 'currently-attached'],
  fields: [
    text('uuid'),
    reference('host-uuid', ['host', 'host']),
    reference('host-name-label', ['host', 'host', 'name_label']),
    reference('sr-uuid', ['SR', 'SR']),
    reference('sr-name-label', ['SR', 'SR', 'name_label']),
    map('device-config'),
    text('currently-attached'),
    map('other-config', 'MRW'),
  ],
}

export const sm: ListedClass = {
  prefix: 'sm',
  className: 'SM',
  columns: ['uuid', 'type', 'name-label', 'name-description', 'vendor', 'copyright', 'configuration'],
  fields: [
    text('uuid'),
    text('name-label'),
    text('name-description'),
    text('type'),
    text('vendor'),
    text('copyright'),
    text('required-api-version'),
    set('capabilities'),
    map('features'),
    map('configuration'),
    text('driver-filename'),
    set('required-cluster-stack'),
    set('supported-image-formats'),
  ],
}
