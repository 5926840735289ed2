import * as http from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Box } from './box.ts'

let box: Box
beforeAll(async () => {
  box = await Box.open({ listen: { host: '127.0.0.1', port: 0, user: 'root', password: 'pass' } })
})
afterAll(async () => {
  await box.close()
})

interface Answer {
  status: number | undefined
  headers: http.IncomingHttpHeaders
  body: string
}

function send(path: string, body: string, method = 'POST', target: object = {}): Promise<Answer> {
  const socketPath = box.toolstack.url.slice('unix:'.length)
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, ...target, path, method }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body: text })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const call = (method: string, ...params: string[]) =>
  `<?xml version='1.0'?>\n<methodCall>\n<methodName>${method}</methodName>\n<params>\n` +
  `${params.map(param => `<param>\n<value><string>${param}</string></value>\n</param>\n`).join('')}</params>\n</methodCall>\n`

async function login(): Promise<string> {
  const { body } = await send('/', call('session.login_with_password', 'root', ''))
  return /<name>Value<\/name><value>([^<]*)/.exec(body)?.[1] ?? ''
}

describe('XML-RPC', () => {
  test.each(['/', '/RPC2', '/xmlrpc', '//', '//RPC2', 'http://some.host/'])('at %s', async path => {
    const { status, headers, body } = await send(path, call('session.login_with_password', 'root', '', '1.0', 'test'))
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/xml')
    expect(headers['content-length']).toBe(String(Buffer.byteLength(body)))
    expect(body).toMatch(/<name>Status<\/name><value>Success<\/value>/)
  })

  test('a failure is an answer with code and parameters', async () => {
    const { status, body } = await send('/', call('VDI.get_uuid', await login(), 'x'))
    expect(status).toBe(200)
    expect(body).toContain('<name>Status</name><value>Failure</value>')
    expect(body).toContain('<value>HANDLE_INVALID</value><value>VDI</value><value>x</value>')
  })

  test('numbers are strings except where they count, dates have their type', async () => {
    const session = await login()
    const [pool = ''] = (await box.api.call('pool.get_all')) as string[]
    await box.api.call('message.create', 'n', 1, 'pool', 'u', '')
    const records = (await send('/', call('message.get_all_records', session))).body
    expect(records).toContain('<member><name>priority</name><value>1</value></member>')
    expect(records).toMatch(/<value><dateTime.iso8601>\d{8}T\d\d:\d\d:\d\dZ<\/dateTime.iso8601><\/value>/)
    const list = '<param><value><array><data><value>pool</value></data></array></value></param>'
    const afterSession = `${session}</string></value>\n</param>\n`
    const events = call('event.from', session, '', '0').replace(afterSession, match => match + list)
    const { body } = await send('/', events)
    expect(body).toContain('<member><name>pool</name><value><i4>1</i4></value></member>')
    expect(body).toContain(pool)
    expect(body).toContain('<name>ha_enabled</name><value><boolean>0</boolean></value>')
  })

  test('the list of methods comes without an envelope and names what can be listed', async () => {
    const { body } = await send('/', call('system.listMethods'))
    expect(body).toMatch(/^<\?xml version="1.0"\?><methodResponse><params><param><value><array>/)
    const names = [...body.matchAll(/<value>([\w.]+)<\/value>/g)].map(([, name = '']) => name)
    expect(names).toEqual(expect.arrayContaining(['VDI.revert', 'Async.VDI.revert', 'VDI.get_all_records']))
    const session = await login()
    for (const name of names.filter(method => /^\w+\.get_all_records$/.test(method))) {
      expect((await send('/', call(name, session))).body).toContain('<value>Success</value>')
    }
  })

  test('what is no call is answered with a failure', async () => {
    expect((await send('/', '<a/>')).body).toContain('<value>INTERNAL_ERROR</value>')
  })
})

describe('JSON-RPC', () => {
  const json = async (request: object) => {
    const answer = await send('/jsonrpc', JSON.stringify(request))
    return { ...answer, value: JSON.parse(answer.body) as unknown }
  }

  test('2.0', async () => {
    const session = await login()
    const params = [session, 'x']
    const { headers, value } = await json({ jsonrpc: '2.0', method: 'VDI.get_by_name_label', params, id: 'a' })
    expect(headers['content-type']).toBe('application/json')
    expect(value).toEqual({ jsonrpc: '2.0', result: [], id: 'a' })
    const error = { code: 1, message: 'UUID_INVALID', data: ['VDI', 'x'] }
    expect((await json({ jsonrpc: '2.0', method: 'VDI.get_by_uuid', params, id: 7 })).value).toEqual({
      jsonrpc: '2.0',
      error,
      id: 7,
    })
  })

  test('at the end of an address that has a slash at its own', async () => {
    expect((await send('//jsonrpc', 'x')).headers['content-type']).toBe('application/json')
  })

  test('1.0', async () => {
    const params = [await login(), 'x']
    const good = { result: [], error: null, id: 1 }
    expect((await json({ method: 'VDI.get_by_name_label', params, id: 1 })).value).toEqual(good)
    const bad = { result: null, error: ['UUID_INVALID', 'VDI', 'x'], id: 1 }
    expect((await json({ method: 'VDI.get_by_uuid', params, id: 1 })).value).toEqual(bad)
  })

  test('what is no call is answered with an error', async () => {
    expect((await send('/jsonrpc', 'x')).body).toContain('"INTERNAL_ERROR"')
    expect((await json([])).value).toMatchObject({ error: { message: 'INTERNAL_ERROR' } })
  })
})

test('browsers may ask', async () => {
  const { status, headers } = await send('/', '', 'OPTIONS')
  expect(status).toBe(200)
  expect(headers['access-control-allow-origin']).toBe('*')
  expect((await send('/', '', 'GET')).status).toBe(405)
})

test('over TCP only the configured user gets in', async () => {
  const { port } = new URL(box.toolstack.tcpUrl ?? '')
  const tcp = { socketPath: undefined, host: '127.0.0.1', port }
  const attempt = async (...params: string[]) =>
    (await send('/', call('session.login_with_password', ...params), 'POST', tcp)).body
  expect(await attempt('root', 'pass')).toContain('Success')
  for (const [user, password] of [
    ['root', ''],
    ['root', 'pas'],
    ['admin', 'pass'],
  ] as const) {
    expect(await attempt(user, password)).toContain(
      `<value>SESSION_AUTHENTICATION_FAILED</value><value>${user}</value>`,
    )
  }
})

test('without configured credentials nobody gets in over TCP', async () => {
  const open = await Box.open({ listen: { host: '127.0.0.1', port: 0 } })
  const { port } = new URL(open.toolstack.tcpUrl ?? '')
  const tcp = { socketPath: undefined, host: '127.0.0.1', port }
  const { body } = await send('/', call('session.login_with_password', 'root', ''), 'POST', tcp)
  expect(body).toContain('SESSION_AUTHENTICATION_FAILED')
  await open.close()
})

test('a request may name the task that its tasks belong to', async () => {
  const session = await login()
  const parent = await box.text('task.create', 'parent', '')
  const body = JSON.stringify({ jsonrpc: '2.0', method: 'task.create', params: [session, 'child', ''], id: 1 })
  const { body: answer } = await send('/jsonrpc', body, 'POST', { headers: { 'Subtask-of': parent } })
  const { result } = JSON.parse(answer) as { result: string }
  expect(await box.record('task', parent)).toMatchObject({ subtasks: [result] })
})
