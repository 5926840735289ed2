import { xapiDate } from '../Services.ts'
import { readMember } from './arguments.ts'
import { method, type ApiMethod } from './method.ts'

const created = { name: 'string', priority: 'int', cls: 'string', obj_uuid: 'string', body: 'string' } as const

/** Messages and secrets (spec toolstack 4). */
export const messageMethods: readonly ApiMethod[] = [
  method(['message.create', created, 'ref'], (call, message) => {
    const { store, system } = call.services
    return store.create('message', { ...message, timestamp: xapiDate(system.now()) })
  }),
  method(['message.destroy', { self: 'ref' }, 'void'], (call, { self }) => {
    call.services.store.get('message', self)
    call.services.store.remove('message', self)
  }),
  method(['secret.create', { record: 'struct' }, 'ref'], (call, { record }) =>
    call.services.store.create('secret', {
      value: readMember(record, 'value', 'string'),
      other_config: readMember(record, 'other_config', 'map', {}),
    }),
  ),
  method(['secret.destroy', { self: 'ref' }, 'void'], (call, { self }) => {
    call.services.store.get('secret', self)
    call.services.store.remove('secret', self)
  }),
]
