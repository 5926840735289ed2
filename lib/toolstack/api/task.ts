import { XapiError } from '../../xapi/XapiClient.ts'
import { createTask } from '../Call.ts'
import { method, type ApiMethod } from './method.ts'

const self = { self: 'ref' } as const

/** Tasks of clients (spec toolstack 5.2); the other calls of the class are accessors. */
export const taskMethods: readonly ApiMethod[] = [
  method(['task.create', { label: 'string', description: 'string' }, 'ref'], (call, { label, description }) => {
    const task = createTask(call.services, label, call.caller.subtaskOf)
    call.services.store.update('task', task, { name_description: description })
    return task
  }),
  method(['task.destroy', self, 'void'], (call, task) => {
    call.services.store.get('task', task.self)
    call.services.store.remove('task', task.self)
  }),
  method(['task.cancel', { task: 'ref' }, 'void'], (call, { task }) => {
    const { status } = call.services.store.get('task', task)
    if (status !== 'pending') throw new XapiError('OPERATION_NOT_ALLOWED', [`task is ${status}`])
    call.services.store.update('task', task, { status: 'cancelling' })
  }),
]
