/** A failure as the server told it: `[code, ...params]`. */
export class ApiError extends Error {
  readonly code: string

  constructor(code: string, params: readonly string[]) {
    super(params.length === 0 ? code : `${code}: ${params.filter(text => text !== '').join(', ')}`)
    this.name = 'ApiError'
    this.code = code
  }
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

interface Answer {
  readonly result?: unknown
  readonly error?: { readonly message: string; readonly data?: readonly string[] }
}

/** XenAPI over JSON-RPC on the server that this page came from. */
export class Api {
  #session = ''

  async login(user: string, password: string): Promise<void> {
    this.#session = String(await send('session.login_with_password', [user, password, '1.0', 'page']))
  }

  async logout(): Promise<void> {
    await this.call('session.logout')
    this.#session = ''
  }

  call(method: string, ...params: Json[]): Promise<unknown> {
    return send(method, [this.#session, ...params])
  }

  /** Runs a call as a task, so that it goes on when this page is closed, and waits for its end. Throws ApiError. */
  async callAsync(method: string, ...params: Json[]): Promise<void> {
    const task = String(await this.call(`Async.${method}`, ...params))
    for (;;) {
      const batch = (await this.call('event.from', [`task/${task}`], '', 0)) as { events: readonly TaskEvent[] }
      const record = batch.events.find(event => event.ref === task)?.snapshot
      if (record === undefined) throw new ApiError('HANDLE_INVALID', ['task', task])
      if (record.status !== 'pending') {
        await this.call('task.destroy', task)
        if (record.status === 'success') return
        const [code = 'TASK_CANCELLED', ...details] = record.error_info
        throw new ApiError(code, details)
      }
      await this.#untilChange(task)
    }
  }

  async #untilChange(task: string): Promise<void> {
    const { token } = (await this.call('event.from', [`task/${task}`], '', 0)) as { token: string }
    const status = await this.call('task.get_status', task)
    if (status === 'pending') await this.call('event.from', [`task/${task}`], token, 30)
  }
}

interface TaskEvent {
  readonly ref: string
  readonly snapshot?: { readonly status: string; readonly error_info: readonly string[] }
}

let lastId = 0

async function send(method: string, params: readonly Json[]): Promise<unknown> {
  lastId += 1
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: lastId })
  const response = await fetch('/jsonrpc', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  if (!response.ok) throw new Error(`HTTP status ${response.status}`)
  const { result, error } = (await response.json()) as Answer
  if (error !== undefined) throw new ApiError(error.message, error.data ?? [])
  return result
}
