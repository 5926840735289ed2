import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { byUuid, printUuid, type Command, type Xe } from '../Command.ts'
import { XeError } from '../failures.ts'

const snapshot: Command = {
  usage: 'vm-snapshot uuid=UUID|vm=NAME new-name-label=NAME [new-name-description=TEXT] [ignore-vdi-uuids=UUID,...]',
  run: async xe => {
    const { params, caller } = xe
    const vm = await selectVm(xe)
    const ignored: Ref[] = []
    for (const uuid of (params.find('ignore-vdi-uuids') ?? '').split(',').filter(text => text !== '')) {
      ignored.push(await byUuid(xe, 'VDI', uuid))
    }
    const name = params.text('new-name-label')
    const more = ignored.length === 0 ? [] : [ignored]
    await nameAndPrint(xe, String(await caller.call('VM.snapshot', vm, name, ...more)))
  },
}

const checkpoint: Command = {
  usage: 'vm-checkpoint uuid=UUID|vm=NAME new-name-label=NAME [new-name-description=TEXT]',
  run: async xe => {
    const vm = await selectVm(xe)
    const made = await xe.caller.call('VM.checkpoint', vm, xe.params.text('new-name-label'))
    await nameAndPrint(xe, String(made))
  },
}

async function nameAndPrint(xe: Xe, made: Ref): Promise<void> {
  const description = xe.params.find('new-name-description')
  if (description !== undefined) await xe.caller.call('VM.set_name_description', made, description)
  await printUuid(xe, 'VM', made)
}

const revert: Command = {
  usage: 'snapshot-revert snapshot-uuid=UUID',
  run: async xe => {
    await xe.caller.call('VM.revert', await selectSnapshot(xe))
  },
}

const destroySnapshot: Command = {
  usage: 'snapshot-destroy snapshot-uuid=UUID',
  run: async xe => {
    await xe.caller.call('VM.destroy', await selectSnapshot(xe))
  },
}

async function selectSnapshot(xe: Xe): Promise<Ref> {
  const found = await byUuid(xe, 'VM', xe.params.text('snapshot-uuid', 'uuid'))
  if ((await xe.caller.call('VM.get_is_a_snapshot', found)) !== true) {
    throw new XeError('This operation can only be performed on a snapshot')
  }
  return found
}

/** By uuid, or by a name label that only one VM has. */
async function selectVm(xe: Xe): Promise<Ref> {
  const uuid = xe.params.find('uuid', 'vm-uuid')
  if (uuid !== undefined) return byUuid(xe, 'VM', uuid)
  const name = xe.params.text('vm')
  const all = [...(await xe.tables.all('VM'))].filter(([, record]) => record['is_a_template'] !== true)
  const matching = all.filter(([, record]) => record['uuid'] === name || record['name_label'] === name)
  const [first] = matching
  if (first === undefined) throw new XeError('No matching VMs found')
  if (matching.length > 1) throw new XeError('Multiple matches found: give the uuid')
  return first[0]
}

function power(name: string, run: (xe: Xe, vm: Ref) => Promise<unknown>): readonly [string, Command] {
  const command: Command = {
    usage: `${name} uuid=UUID|vm=NAME`,
    run: async xe => {
      await run(xe, await selectVm(xe))
    },
  }
  return [name, command]
}

const vbdCreate: Command = {
  usage: 'vbd-create vm-uuid=UUID device=NUMBER|autodetect [vdi-uuid=UUID] [type=Disk|CD] [mode=RW|RO] ...',
  run: async xe => {
    const { params, caller } = xe
    const vdi = params.find('vdi-uuid')
    const type = params.find('type') ?? 'Disk'
    const record = {
      VM: await byUuid(xe, 'VM', params.text('vm-uuid')),
      VDI: vdi === undefined ? 'OpaqueRef:NULL' : await byUuid(xe, 'VDI', vdi),
      userdevice: params.text('device'),
      bootable: params.bool('bootable', false),
      mode: params.find('mode') ?? (type === 'CD' ? 'RO' : 'RW'),
      type,
      unpluggable: params.bool('unpluggable', true),
      empty: vdi === undefined,
      other_config: {},
      qos_algorithm_type: '',
      qos_algorithm_params: {},
    }
    await printUuid(xe, 'VBD', String(await caller.call('VBD.create', record)))
  },
}

/** Commands on VMs, their snapshots and drives. */
export const vmCommands: readonly (readonly [string, Command])[] = [
  ['vm-snapshot', snapshot],
  ['vm-checkpoint', checkpoint],
  ['snapshot-revert', revert],
  ['snapshot-destroy', destroySnapshot],
  ['vbd-create', vbdCreate],
  power('vm-start', ({ caller }, vm) => caller.call('VM.start', vm, false, false)),
  power('vm-suspend', ({ caller }, vm) => caller.call('VM.suspend', vm)),
  power('vm-resume', ({ caller }, vm) => caller.call('VM.resume', vm, false, false)),
  power('vm-shutdown', ({ caller, params }, vm) =>
    caller.call(params.flag('force') ? 'VM.hard_shutdown' : 'VM.clean_shutdown', vm),
  ),
]
