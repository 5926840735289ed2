import { map, operations, reference, references, set, text, type Field, type ListedClass } from '../fields.ts'

const vmFields: readonly Field[] = [
  text('uuid'),
  text('name-label', ' RW'),
  text('name-description', ' RW'),
  text('user-version', ' RW'),
  text('is-a-template', ' RW'),
  text('is-default-template'),
  text('is-a-snapshot'),
  reference('snapshot-of', ['snapshot_of', 'VM']),
  references('snapshots', ['snapshots', 'VM']),
  text('snapshot-time'),
  map('snapshot-info'),
  reference('parent', ['parent', 'VM']),
  references('children', ['children', 'VM']),
  text('is-control-domain'),
  text('power-state'),
  text('memory-static-max'),
  reference('suspend-VDI-uuid', ['suspend_VDI', 'VDI']),
  reference('suspend-SR-uuid', ['suspend_SR', 'SR']),
  text('VCPUs-max'),
  set('allowed-operations'),
  operations('current-operations'),
  map('blocked-operations', 'MRW'),
  references('VBDs', ['VBDs', 'VBD']),
  references('VIFs', ['VIFs', 'VIF']),
  map('platform', 'MRW'),
  map('other-config', 'MRW'),
  text('domid', ' RO', 'domid'),
  reference('resident-on', ['resident_on', 'host']),
  reference('affinity', ['affinity', 'host']),
  set('tags', 'SRW'),
  text('generation-id'),
]

export const vm: ListedClass = {
  prefix: 'vm',
  className: 'VM',
  columns: ['uuid', 'name-label', 'power-state'],
  fields: vmFields,
  shows: record => record['is_a_template'] !== true && record['is_a_snapshot'] !== true,
}

export const template: ListedClass = {
  prefix: 'template',
  className: 'VM',
  columns: ['uuid', 'name-label', 'name-description'],
  fields: vmFields,
  shows: record => record['is_a_template'] === true && record['is_a_snapshot'] !== true,
}

export const snapshot: ListedClass = {
  prefix: 'snapshot',
  className: 'VM',
  columns: ['uuid', 'name-label', 'name-description', 'snapshot-of', 'snapshot-time'],
  fields: vmFields,
  shows: record => record['is_a_snapshot'] === true,
}

export const vbd: ListedClass = {
  prefix: 'vbd',
  className: 'VBD',
  columns: ['uuid', 'vm-uuid', 'vm-name-label', 'vdi-uuid', 'empty', 'device'],
  fields: [
    text('uuid'),
    reference('vm-uuid', ['VM', 'VM']),
    reference('vm-name-label', ['VM', 'VM', 'name_label']),
    reference('vdi-uuid', ['VDI', 'VDI']),
    reference('vdi-name-label', ['VDI', 'VDI', 'name_label']),
    text('empty'),
    text('device'),
    text('userdevice', ' RW'),
    text('bootable', ' RW'),
    text('mode'),
    text('type'),
    text('unpluggable', ' RW'),
    text('currently-attached'),
    map('other-config', 'MRW'),
  ],
}

export const host: ListedClass = {
  prefix: 'host',
  className: 'host',
  columns: ['uuid', 'name-label', 'name-description'],
  fields: [
    text('uuid'),
    text('name-label', ' RW'),
    text('name-description', ' RW'),
    text('enabled'),
    text('hostname'),
    text('address'),
    map('software-version'),
    map('other-config', 'MRW'),
  ],
}

export const task: ListedClass = {
  prefix: 'task',
  className: 'task',
  columns: ['uuid', 'name-label', 'name-description', 'status', 'progress'],
  fields: [
    text('uuid'),
    text('name-label'),
    text('name-description'),
    reference('subtask-of', ['subtask_of', 'task']),
    references('subtasks', ['subtasks', 'task']),
    reference('resident-on', ['resident_on', 'host']),
    text('status'),
    text('progress'),
    text('type'),
    text('result'),
    text('created'),
    text('finished'),
    set('error-info', 'SRO', 'error_info'),
    set('allowed-operations'),
    map('other-config', 'MRW'),
  ],
}
