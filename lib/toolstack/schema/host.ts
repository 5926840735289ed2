import { defineClass } from './field.ts'

/** Classes of the pool and its machinery (spec toolstack 4). */
export const session = defineClass(
  {
    uuid: 'string',
    this_host: 'ref',
    this_user: 'ref',
    last_active: 'datetime',
    pool: 'bool',
    other_config: 'map',
    is_local_superuser: 'bool',
    auth_user_name: 'string',
    originator: 'string',
  },
  { transient: true, listed: false, writable: ['other_config'] },
)

export const pool = defineClass(
  {
    uuid: 'string',
    name_label: 'string',
    name_description: 'string',
    master: 'ref',
    default_SR: 'ref',
    suspend_image_SR: 'ref',
    crash_dump_SR: 'ref',
    other_config: 'map',
    ha_enabled: 'bool',
    ha_configuration: 'map',
    ha_statefiles: 'strings',
    restrictions: 'map',
    tags: 'strings',
    gui_config: 'map',
    blobs: 'map',
    current_operations: 'map',
    allowed_operations: 'strings',
    cpu_info: 'map',
  },
  {
    writable: [
      'name_label',
      'name_description',
      'default_SR',
      'suspend_image_SR',
      'crash_dump_SR',
      'other_config',
      'tags',
      'gui_config',
    ],
  },
)

export const host = defineClass(
  {
    uuid: 'string',
    name_label: 'string',
    name_description: 'string',
    allowed_operations: 'strings',
    current_operations: 'map',
    API_version_major: 'int',
    API_version_minor: 'int',
    API_version_vendor: 'string',
    enabled: 'bool',
    software_version: 'map',
    other_config: 'map',
    resident_VMs: 'refs',
    PBDs: 'refs',
    hostname: 'string',
    address: 'string',
    metrics: 'ref',
    license_params: 'map',
    edition: 'string',
    tags: 'strings',
    cpu_info: 'map',
    local_cache_sr: 'ref',
    suspend_image_sr: 'ref',
    crash_dump_sr: 'ref',
    control_domain: 'ref',
    features: 'refs',
    iscsi_iqn: 'string',
    multipathing: 'bool',
  },
  {
    writable: ['name_label', 'name_description', 'other_config', 'tags', 'suspend_image_sr', 'crash_dump_sr'],
    derived: ['PBDs', 'resident_VMs'],
  },
)

export const host_metrics = defineClass({
  uuid: 'string',
  memory_total: 'int',
  memory_free: 'int',
  live: 'bool',
  last_updated: 'datetime',
})

export const task = defineClass(
  {
    uuid: 'string',
    name_label: 'string',
    name_description: 'string',
    allowed_operations: 'strings',
    current_operations: 'map',
    created: 'datetime',
    finished: 'datetime',
    status: 'string',
    resident_on: 'ref',
    progress: 'float',
    type: 'string',
    result: 'string',
    error_info: 'strings',
    other_config: 'map',
    subtask_of: 'ref',
    subtasks: 'refs',
    backtrace: 'string',
  },
  { transient: true, writable: ['other_config', 'status', 'progress'], derived: ['subtasks'] },
)

export const message = defineClass({
  uuid: 'string',
  name: 'string',
  priority: 'int',
  cls: 'string',
  obj_uuid: 'string',
  timestamp: 'datetime',
  body: 'string',
})

export const secret = defineClass(
  { uuid: 'string', value: 'string', other_config: 'map' },
  { writable: ['value', 'other_config'] },
)
