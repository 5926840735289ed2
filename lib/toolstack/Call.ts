import { XapiError, type Ref } from '../xapi/XapiClient.ts'
import { nullRef } from './schema/field.ts'
import { xapiDate, type Services } from './Services.ts'

/** How a request reached the server. Who may open the unix socket is root. */
export type Transport = 'local' | 'tcp'

export interface Caller {
  readonly transport: Transport
  /** The task that the client named in the header `Subtask-of`. */
  readonly subtaskOf?: Ref | undefined
}

/** The SR that a plugin's session may change the protected fields of. */
export const smSessionKey = '_sm_session'

/** One call of the API: on whose behalf, and in which task. */
export class Call {
  readonly services: Services
  readonly method: string
  readonly caller: Caller
  readonly session: Ref
  #task: Ref | undefined

  constructor(services: Services, method: string, context: { caller: Caller; session?: Ref; task?: Ref }) {
    this.services = services
    this.method = method
    this.caller = context.caller
    this.session = context.session ?? nullRef
    this.#task = context.task
  }

  /** The task that this call runs in; made when something asks for it, gone when the call ends. */
  get task(): Ref {
    this.#task ??= createTask(this.services, this.method, this.caller.subtaskOf)
    return this.#task
  }

  /** Removes the task of a call that has one of its own. */
  end(): void {
    if (this.#task !== undefined) this.services.store.remove('task', this.#task)
  }

  /** Throws XapiError PERMISSION_DENIED unless the session was made for a plugin run on this SR (spec smapi 9.1). */
  requireSmSession(sr: Ref): void {
    const session = this.services.store.find('session', this.session)
    if (session?.other_config[smSessionKey] !== sr) throw new XapiError('PERMISSION_DENIED', [''])
  }
}

/** A pending task. */
export function createTask(services: Services, label: string, subtaskOf: Ref | undefined): Ref {
  const { store, system, host } = services
  const isTask = subtaskOf !== undefined && store.has('task', subtaskOf)
  return store.create('task', {
    name_label: label,
    created: xapiDate(system.now()),
    status: 'pending',
    resident_on: host,
    type: '<none/>',
    allowed_operations: ['cancel', 'destroy'],
    subtask_of: isTask ? subtaskOf : nullRef,
  })
}
