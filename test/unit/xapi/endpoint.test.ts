import { afterEach, describe, expect, test } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { XapiTransportError } from '../../../lib/xapi/XapiClient.ts'
import { connectXapi, type ConnectOptions, type XapiEndpoint } from '../../../lib/xapi/XapiEndpoint.ts'
import { FakeEndpoint, jsonResult, xmlResult, type Received, type Reply } from './fake-endpoint.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function serve(reply: (request: Received) => Reply | 'hang up'): Promise<FakeEndpoint> {
  const server = await FakeEndpoint.open(reply)
  open.push(server)
  return server
}

function connect(url: string | undefined, options: Partial<ConnectOptions> = {}): XapiEndpoint {
  const endpoint = connectXapi(url, { effects: new Effects(''), paths: new Paths('/nonexistent'), ...options })
  open.push(endpoint)
  return endpoint
}

const failure = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    () => new Error('the call did not fail'),
    (error: unknown) => error as Error,
  )

describe('calls', () => {
  test('go out as JSON-RPC with the session in front and what the server needs in the headers', async () => {
    const server = await serve(() => jsonResult(['a']))
    const endpoint = connect(server.url, { subtaskOf: 'OpaqueRef:task', originator: 'SM\r\nX: y' })
    expect(await endpoint.session('OpaqueRef:s').call('VDI.get_by_name_label', 'x', true, { k: 'v' })).toEqual(['a'])
    const [request] = server.received
    expect(request?.path).toBe('/jsonrpc')
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      'subtask-of': 'OpaqueRef:task',
      originator: 'SMX: y',
    })
    expect(JSON.parse(request?.body ?? '')).toMatchObject({
      jsonrpc: '2.0',
      method: 'VDI.get_by_name_label',
      params: ['OpaqueRef:s', 'x', true, { k: 'v' }],
    })
  })

  test('are announced as effects before they are sent', async () => {
    const server = await serve(() => jsonResult(''))
    const seen: string[] = []
    const effects = new Effects('effect:2=EIO', (index, kind, detail) => seen.push(`${index} ${kind} ${detail}`))
    const session = connect(server.url, { effects }).session('s')
    await session.call('SR.get_all')
    await expect(session.call('VDI.db_forget', 'v')).rejects.toMatchObject({ code: 'EIO' })
    expect(seen).toEqual(['1 xapi SR.get_all', '2 xapi VDI.db_forget'])
    expect(server.received).toHaveLength(1)
  })

  test('share one connection', async () => {
    const server = await serve(() => jsonResult(''))
    const session = connect(server.url).session('s')
    for (let i = 0; i < 3; i += 1) await session.call('SR.get_all')
    expect(server.received).toHaveLength(3)
    expect(new Set(server.received.map(({ port }) => port)).size).toBe(1)
  })

  test('a login answers a session that can be ended', async () => {
    const server = await serve(({ body }) => jsonResult(body.includes('login') ? 'OpaqueRef:mine' : ''))
    const session = await connect(server.url).loginLocal()
    await session.logout()
    const sent = server.received.map(({ body }) => JSON.parse(body) as { method: string; params: unknown })
    expect(sent).toMatchObject([
      { method: 'session.login_with_password', params: ['root', '', '', 'SM'] },
      { method: 'session.logout', params: ['OpaqueRef:mine'] },
    ])
  })
})

describe('a server without JSON-RPC', () => {
  test.each<[string, Reply]>([
    ['404', { status: 404, body: '' }],
    ['405', { status: 405, body: 'no' }],
    ['415', { status: 415, body: 'no' }],
    ['501', { status: 501, body: 'no' }],
    ['a page', { body: '<html/>' }],
    ['an XML-RPC answer', xmlResult('<value/>')],
  ])('answers %s once and is spoken to in XML-RPC from then on', async (_, refusal) => {
    const server = await serve(({ path }) => (path === '/jsonrpc' ? refusal : xmlResult('<value>text</value>')))
    const session = connect(server.url).session('s')
    expect(await session.call('SR.get_uuid', 'r')).toBe('text')
    expect(await session.call('SR.get_uuid', 'r')).toBe('text')
    expect(server.received.map(({ path }) => path)).toEqual(['/jsonrpc', '/', '/'])
    expect(server.received[1]?.headers['content-type']).toBe('text/xml')
  })

  test.each<[string, Reply | 'hang up']>([
    ['500', { status: 500, body: 'not XML' }],
    ['502', { status: 502, body: '' }],
    ['nothing', 'hang up'],
  ])('may answer %s to it, and is then sent every change once', async (_, refusal) => {
    const server = await serve(({ path }) => (path === '/jsonrpc' ? refusal : xmlResult('<value>text</value>')))
    const session = connect(server.url).session('s')
    await session.call('VDI.set_managed', 'v', true)
    expect(await session.call('SR.get_uuid', 'r')).toBe('text')
    const calls = server.received.filter(({ path }) => path === '/')
    expect(calls.map(({ body }) => /<methodName>(.*)</.exec(body)?.[1])).toEqual([
      'pool.get_all',
      'VDI.set_managed',
      'SR.get_uuid',
    ])
  })

  test('gets dates where dates belong', async () => {
    const server = await serve(({ path }) => (path === '/jsonrpc' ? { status: 404, body: '' } : xmlResult('<value/>')))
    const session = connect(server.url).session('s')
    const args = Array.from({ length: 19 }, (_, index) => `arg${index}`)
    await session.call('VDI.db_introduce', ...args)
    await session.call('VDI.set_snapshot_time', 'v', '20260101T00:00:00Z')
    const dates = server.received.map(({ body }) =>
      [...body.matchAll(/<dateTime.iso8601>(.*?)</g)].map(([, text]) => text),
    )
    expect(dates).toEqual([[], ['arg16'], ['20260101T00:00:00Z']])
  })

  test('its failures are XenAPI errors', async () => {
    const list = '<value><array><data><value>CODE</value><value>p</value></data></array></value>'
    const status = '<member><name>Status</name><value>Failure</value></member>'
    const struct = `<struct>${status}<member><name>ErrorDescription</name>${list}</member></struct>`
    const body = `<methodResponse><params><param><value>${struct}</value></param></params></methodResponse>`
    const server = await serve(({ path }) => (path === '/jsonrpc' ? { status: 404, body: '' } : { body }))
    await expect(connect(server.url).session('s').call('a.b')).rejects.toMatchObject({ code: 'CODE', params: ['p'] })
  })
})

describe('failures', () => {
  test.each<[string, object]>([
    ['2.0', { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'CODE', data: ['p', 'q'] } }],
    ['1.0', { id: 1, result: null, error: ['CODE', 'p', 'q'] }],
  ])('of JSON-RPC %s are XenAPI errors', async (_, answer) => {
    const server = await serve(() => ({ body: JSON.stringify(answer) }))
    const error = await failure(connect(server.url).session('s').call('a.b'))
    expect(error).toMatchObject({ name: 'XapiError', code: 'CODE', params: ['p', 'q'] })
  })

  test('never show the session', async () => {
    const data = ['OpaqueRef:secret', 'in OpaqueRef:secret text']
    const answer = { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'SESSION_INVALID', data } }
    const server = await serve(() => ({ body: JSON.stringify(answer) }))
    const error = await failure(connect(server.url).session('OpaqueRef:secret').call('a.b'))
    expect(error).toMatchObject({ params: ['******', 'in ****** text'] })
    expect(String(error) + String(error.stack)).not.toContain('secret')
  })

  test.each<[string, Reply | 'hang up']>([
    ['a server error', { status: 500, body: 'oops' }],
    ['an overloaded server', { status: 503, body: '' }],
    ['a connection that ends', 'hang up'],
  ])('%s is a transport error, and JSON-RPC stays the choice', async (_, reply) => {
    let answer = reply
    const server = await serve(() => answer)
    const session = connect(server.url).session('OpaqueRef:secret')
    const error = await failure(session.call('VDI.set_managed', 'v', true))
    expect(error).toBeInstanceOf(XapiTransportError)
    expect(error.message).toMatch(/^VDI.set_managed: /)
    expect(error.message).not.toContain('secret')
    answer = jsonResult('fine')
    expect(await session.call('VDI.get_uuid', 'v')).toBe('fine')
    const written = server.received.filter(({ body }) => body.includes('VDI.set_managed'))
    expect(written.map(({ path }) => path)).toEqual(['/jsonrpc'])
    expect(server.received.at(-1)?.path).toBe('/jsonrpc')
  })

  test('an answer that stops being JSON is a transport error and not a reason to ask again', async () => {
    let body = jsonResult('').body
    const server = await serve(() => ({ body }))
    const session = connect(server.url).session('s')
    await session.call('SR.get_all')
    body = 'garbage'
    expect(await failure(session.call('SR.get_all'))).toBeInstanceOf(XapiTransportError)
    expect(server.received).toHaveLength(2)
  })

  test('a missing socket is a transport error', async () => {
    const error = await failure(connect(undefined).session('s').call('SR.get_all'))
    expect(error).toBeInstanceOf(XapiTransportError)
    expect(error.message).toContain('ENOENT')
  })
})

test('a read whose kept connection has died is sent again, a write is not', async () => {
  let hangUps = 0
  const server = await serve(({ body }) => {
    if (hangUps > 0) {
      hangUps -= 1
      return 'hang up'
    }
    return jsonResult(body.includes('get_') ? 'read' : 'written')
  })
  const session = connect(server.url).session('s')
  await session.call('SR.get_uuid', 'r')
  hangUps = 1
  expect(await session.call('SR.get_uuid', 'r')).toBe('read')
  hangUps = 1
  expect(await failure(session.call('SR.set_name_label', 'r', 'x'))).toBeInstanceOf(XapiTransportError)
})

test.each(['', 'unix:relative', 'ftp://host', 'https://user:password@host', 'http://user:password@host', 'nonsense'])(
  'the url %s is refused without being shown',
  url => {
    const attempt = () => connectXapi(url, { effects: new Effects(''), paths: new Paths('/') })
    expect(attempt).toThrow(TypeError)
    expect(attempt).not.toThrow('password@')
  },
)
