import { byUuid, printUuid, type Command, type Xe } from '../Command.ts'

const nullRef = 'OpaqueRef:NULL'

const create: Command = {
  usage: 'vdi-create sr-uuid=UUID name-label=NAME virtual-size=SIZE [type=TYPE] [sharable=BOOL] [sm-config:KEY=VALUE]',
  run: async xe => {
    const { params } = xe
    const record = {
      name_label: params.text('name-label'),
      name_description: params.find('name-description') ?? '',
      SR: await byUuid(xe, 'SR', params.text('sr-uuid')),
      virtual_size: params.size('virtual-size'),
      type: params.find('type') ?? 'user',
      sharable: params.bool('sharable', false),
      read_only: false,
      other_config: params.map('other-config'),
      xenstore_data: {},
      sm_config: params.map('sm-config'),
      tags: (params.find('tags') ?? '').split(',').filter(tag => tag !== ''),
    }
    await printUuid(xe, 'VDI', String(await xe.caller.call('VDI.create', record)))
  },
}

const introduce: Command = {
  usage: 'vdi-introduce uuid=UUID sr-uuid=UUID type=TYPE location=LOCATION [name-label=NAME] ...',
  run: async xe => {
    const { params, caller } = xe
    const names = [params.text('uuid'), params.find('name-label') ?? '', params.find('name-description') ?? '']
    const flags = [params.bool('sharable', false), params.bool('read-only', false)]
    const maps = [params.map('xenstore-data'), params.map('sm-config')]
    const sizes = [params.bool('managed', true), '0', '0', nullRef, false, '19700101T00:00:00Z', nullRef]
    const [sr, type] = [await byUuid(xe, 'SR', params.text('sr-uuid')), params.text('type')]
    const location = params.text('location')
    const before = [...names, sr, type, ...flags, params.map('other-config'), location]
    await printUuid(xe, 'VDI', String(await caller.call('VDI.introduce', ...before, ...maps, ...sizes)))
  },
}

const snapshot: Command = {
  usage: 'vdi-snapshot uuid=UUID [driver-params:KEY=VALUE ...]',
  run: async xe => {
    await printUuid(xe, 'VDI', await duplicate(xe, 'VDI.snapshot'))
  },
}

const clone: Command = {
  usage: 'vdi-clone uuid=UUID [new-name-label=NAME] [new-name-description=TEXT] [driver-params:KEY=VALUE ...]',
  run: async xe => {
    const made = await duplicate(xe, 'VDI.clone')
    const [label, description] = [xe.params.find('new-name-label'), xe.params.find('new-name-description')]
    if (label !== undefined) await xe.caller.call('VDI.set_name_label', made, label)
    if (description !== undefined) await xe.caller.call('VDI.set_name_description', made, description)
    await printUuid(xe, 'VDI', made)
  },
}

async function duplicate(xe: Xe, method: string): Promise<string> {
  const vdi = await byUuid(xe, 'VDI', xe.params.text('uuid'))
  return String(await xe.caller.call(method, vdi, xe.params.map('driver-params')))
}

const copy: Command = {
  usage: 'vdi-copy uuid=UUID [sr-uuid=UUID] [base-vdi-uuid=UUID] [into-vdi-uuid=UUID]',
  run: async xe => {
    const refOf = async (className: string, name: string) => {
      const uuid = xe.params.find(name)
      return uuid === undefined ? nullRef : byUuid(xe, className, uuid)
    }
    const vdi = await byUuid(xe, 'VDI', xe.params.text('uuid'))
    const [sr, base] = [await refOf('SR', 'sr-uuid'), await refOf('VDI', 'base-vdi-uuid')]
    const into = await refOf('VDI', 'into-vdi-uuid')
    await printUuid(xe, 'VDI', String(await xe.caller.call('VDI.copy', vdi, sr, base, into)))
  },
}

const resize: Command = {
  usage: 'vdi-resize uuid=UUID disk-size=SIZE [online=BOOL]',
  run: async xe => {
    const vdi = await byUuid(xe, 'VDI', xe.params.text('uuid'))
    const method = xe.params.bool('online', false) ? 'VDI.resize_online' : 'VDI.resize'
    await xe.caller.call(method, vdi, xe.params.size('disk-size'))
  },
}

const changedBlocks: Command = {
  usage: 'vdi-list-changed-blocks vdi-from-uuid=UUID vdi-to-uuid=UUID',
  run: async xe => {
    const from = await byUuid(xe, 'VDI', xe.params.text('vdi-from-uuid'))
    const to = await byUuid(xe, 'VDI', xe.params.text('vdi-to-uuid'))
    await xe.out(String(await xe.caller.call('VDI.list_changed_blocks', from, to)))
  },
}

/** Commands on disks that take more than a uuid. */
export const vdiCommands: readonly (readonly [string, Command])[] = [
  ['vdi-create', create],
  ['vdi-introduce', introduce],
  ['vdi-snapshot', snapshot],
  ['vdi-clone', clone],
  ['vdi-copy', copy],
  ['vdi-resize', resize],
  ['vdi-list-changed-blocks', changedBlocks],
]
