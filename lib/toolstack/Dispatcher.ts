import { describeError } from '../os/describeError.ts'
import { XapiError, type Ref } from '../xapi/XapiClient.ts'
import { readArgument } from './api/arguments.ts'
import type { ApiMethod, Param } from './api/method.ts'
import { methodsNamed } from './api/table.ts'
import { Typed } from './api/types.ts'
import { Call, createTask, type Caller } from './Call.ts'
import { xapiDate, type Services } from './Services.ts'

export interface ApiRequest {
  readonly method: string
  readonly params: readonly unknown[]
  readonly caller: Caller
}

/** Finds the call, checks who makes it and with what, runs it, and makes what it changed durable. */
export class Dispatcher {
  readonly #services: Services
  readonly #running = new Set<Promise<unknown>>()

  constructor(services: Services) {
    this.#services = services
  }

  /** Throws XapiError for every failure that a client is to see; unexpected ones become INTERNAL_ERROR. */
  dispatch(request: ApiRequest): Promise<Typed> {
    return this.#tracked(this.#answer(request))
  }

  /** Waits for every call that is running. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  async #answer(request: ApiRequest): Promise<Typed> {
    const async = /^Async\.(.+)$/.exec(request.method)?.[1]
    try {
      if (async !== undefined) return this.#runInTask(async, request)
      return await this.#durably(() => this.#runNow(request))
    } catch (error) {
      throw this.#clientError(request.method, error)
    }
  }

  /** Also what a failed call has changed must be on disk before anybody hears of it. */
  async #durably<T>(body: () => T | Promise<T>): Promise<T> {
    try {
      return await body()
    } finally {
      await this.#services.save()
    }
  }

  /** One line for each call that does something; parameters may hold secrets. */
  async #logged(method: ApiMethod, body: () => unknown): Promise<unknown> {
    if (!method.hasAsync) return body()
    const { log } = this.#services
    const started = performance.now()
    const say = (outcome: string) => {
      log.info(`${method.name}: ${outcome} (${Math.round(performance.now() - started)} ms)`)
    }
    try {
      const value = await body()
      say('done')
      return value
    } catch (error) {
      say(error instanceof XapiError ? error.code : 'failed')
      throw error
    }
  }

  async #tracked<T>(running: Promise<T>): Promise<T> {
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  async #runNow({ method: name, params, caller }: ApiRequest): Promise<Typed> {
    const method = choose(name, params, methodsNamed(name))
    const session = this.#sessionOf(method, params)
    const call = new Call(this.#services, name, { caller, session })
    try {
      const args = argumentsOf(method, params)
      return new Typed(method.result, await this.#logged(method, () => method.run(call, args)))
    } finally {
      call.end()
    }
  }

  #runInTask(name: string, { method: asked, params, caller }: ApiRequest): Typed {
    const candidates = methodsNamed(name).filter(({ hasAsync }) => hasAsync)
    const method = choose(asked, params, candidates)
    const session = this.#sessionOf(method, params)
    const args = argumentsOf(method, params)
    const task = createTask(this.#services, asked, caller.subtaskOf)
    const call = new Call(this.#services, name, { caller, session, task })
    void this.#tracked(this.#complete(task, method, call, args))
    return new Typed('ref', task)
  }

  /** The client may have destroyed the task meanwhile. */
  async #complete(task: Ref, method: ApiMethod, call: Call, args: Readonly<Record<string, unknown>>): Promise<void> {
    const { store, system } = this.#services
    const finish = (fields: Parameters<typeof store.update<'task'>>[2]) => {
      if (!store.has('task', task)) return
      store.update('task', task, { ...fields, finished: xapiDate(system.now()), allowed_operations: ['destroy'] })
    }
    try {
      const value = await this.#durably(() => this.#logged(method, () => method.run(call, args)))
      const { encodeValue } = await import('./http/xml-encode.ts')
      finish({
        status: 'success',
        progress: 1,
        result: method.result === 'void' ? '' : encodeValue(value, method.result),
      })
    } catch (error) {
      const { code, params } = this.#clientError(call.method, error)
      finish({ status: 'failure', error_info: [code, ...params] })
    }
  }

  #sessionOf(method: ApiMethod, [session]: readonly unknown[]): Ref {
    if (!method.needsSession) return ''
    if (typeof session !== 'string' || !this.#services.store.has('session', session)) {
      throw new XapiError('SESSION_INVALID', [typeof session === 'string' ? session : ''])
    }
    return session
  }

  #clientError(method: string, error: unknown): XapiError {
    if (error instanceof XapiError) return error
    const message = error instanceof Error ? error.message : String(error)
    this.#services.log.error(`${method}: ${describeError(error)}`)
    return new XapiError('INTERNAL_ERROR', [message])
  }
}

/** The form of a method that takes as many parameters as were given. */
function choose(name: string, params: readonly unknown[], forms: readonly ApiMethod[]): ApiMethod {
  const [first] = forms
  if (first === undefined) throw new XapiError('MESSAGE_METHOD_UNKNOWN', [name])
  const fits = forms.find(form => params.length >= count(form, isRequired) && params.length <= count(form, () => true))
  if (fits === undefined) {
    const expected = String(count(first, () => true))
    throw new XapiError('MESSAGE_PARAMETER_COUNT_MISMATCH', [name, expected, String(params.length)])
  }
  return fits
}

function count({ needsSession, params }: ApiMethod, counted: (param: Param) => boolean): number {
  return params.filter(counted).length + (needsSession ? 1 : 0)
}

function isRequired(param: Param): boolean {
  return param.fallback === undefined
}

function argumentsOf({ needsSession, params }: ApiMethod, given: readonly unknown[]): Record<string, unknown> {
  const values = needsSession ? given.slice(1) : given
  return Object.fromEntries(
    params.map(({ name, type, fallback }, index) => [
      name,
      index < values.length ? readArgument(name, values[index], type) : fallback,
    ]),
  )
}
