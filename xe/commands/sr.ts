import type { Ref } from '../../lib/xapi/XapiClient.ts'
import { byUuid, printUuid, type Command, type Xe } from '../Command.ts'

const create: Command = {
  usage: 'sr-create name-label=NAME type=TYPE [device-config:KEY=VALUE ...] [shared=BOOL] [content-type=TYPE] ...',
  run: async xe => {
    const { params, caller } = xe
    const [host, config] = [await hostOf(xe), params.map('device-config')]
    const [label, description] = [params.text('name-label'), params.find('name-description') ?? '']
    const [type, content] = [params.text('type'), params.find('content-type') ?? '']
    const size = params.size('physical-size', '0')
    const [shared, smConfig] = [params.bool('shared', false), params.map('sm-config')]
    const args = [host, config, size, label, description, type, content, shared, smConfig]
    await printUuid(xe, 'SR', String(await caller.call('SR.create', ...args)))
  },
}

const introduce: Command = {
  usage: 'sr-introduce name-label=NAME type=TYPE uuid=UUID [shared=BOOL] [content-type=TYPE]',
  run: async xe => {
    const { params, caller } = xe
    const names = [params.text('uuid'), params.text('name-label'), params.find('name-description') ?? '']
    const kind = [params.text('type'), params.find('content-type') ?? '', params.bool('shared', false)]
    await printUuid(xe, 'SR', String(await caller.call('SR.introduce', ...names, ...kind, {})))
  },
}

const probe: Command = {
  usage: 'sr-probe type=TYPE [device-config:KEY=VALUE ...] [sm-config:KEY=VALUE ...]',
  run: async xe => {
    const { params, caller } = xe
    const host = await hostOf(xe)
    const config = params.map('device-config')
    await xe.out(String(await caller.call('SR.probe', host, config, params.text('type'), params.map('sm-config'))))
  },
}

const pbdCreate: Command = {
  usage: 'pbd-create host-uuid=UUID sr-uuid=UUID [device-config:KEY=VALUE ...]',
  run: async xe => {
    const record = {
      host: await hostOf(xe),
      SR: await byUuid(xe, 'SR', xe.params.text('sr-uuid')),
      device_config: xe.params.map('device-config'),
      other_config: {},
    }
    await printUuid(xe, 'PBD', String(await xe.caller.call('PBD.create', record)))
  },
}

/** The host that is named, or the master. */
async function hostOf(xe: Xe): Promise<Ref> {
  const uuid = xe.params.find('host-uuid')
  if (uuid !== undefined) return byUuid(xe, 'host', uuid)
  const [pool] = await xe.tables.all('pool')
  return String(pool?.[1]['master'])
}

/** Commands on SRs and their connections that take more than a uuid. */
export const srCommands: readonly (readonly [string, Command])[] = [
  ['sr-create', create],
  ['sr-introduce', introduce],
  ['sr-probe', probe],
  ['pbd-create', pbdCreate],
]
