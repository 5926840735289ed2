import { afterEach, describe, expect, test } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { connectSmXapi } from '../../../lib/xapi/connectSmXapi.ts'
import { SmXapi } from '../../../lib/xapi/SmXapi.ts'
import { XapiTransportError, type XapiCaller, type XapiValue } from '../../../lib/xapi/XapiClient.ts'
import { FakeEndpoint, jsonResult } from './fake-endpoint.ts'

function answering(answer: unknown): { xapi: SmXapi; calls: [string, ...XapiValue[]][] } {
  const calls: [string, ...XapiValue[]][] = []
  const caller: XapiCaller = {
    call: (method, ...args) => {
      calls.push([method, ...args])
      return Promise.resolve(answer)
    },
  }
  return { xapi: new SmXapi(caller), calls }
}

const record = {
  uuid: 'u',
  location: 'l',
  name_label: 'n',
  name_description: '',
  SR: 'OpaqueRef:sr',
  type: 'user',
  virtual_size: '1099511627776',
  physical_utilisation: 4096,
  sharable: false,
  read_only: true,
  managed: true,
  missing: false,
  is_a_snapshot: false,
  snapshot_of: 'OpaqueRef:NULL',
  snapshot_time: '19700101T00:00:00Z',
  metadata_of_pool: 'OpaqueRef:NULL',
  on_boot: 'persist',
  allow_caching: false,
  cbt_enabled: false,
  sm_config: { 'vhd-parent': 'p' },
  other_config: {},
}

describe('records', () => {
  test('have their sizes as numbers, whichever protocol they came by', async () => {
    const { xapi } = answering({ ...record, a_field_of_later: 1 })
    expect(await xapi.vdiGetRecord('v')).toEqual({ ...record, virtual_size: 1099511627776 })
  })

  test('of a server that does not send every field have what xapi gives a field that nobody has set', async () => {
    const { uuid, location, SR, virtual_size, managed } = record
    const { xapi } = answering({ uuid, location, SR, virtual_size, managed })
    const unset = { name_label: '', physical_utilisation: 0, read_only: false, sm_config: {} }
    expect(await xapi.vdiGetRecord('v')).toEqual({ ...record, ...unset, virtual_size: 1099511627776 })
  })

  test.each(['uuid', 'location', 'SR', 'virtual_size', 'managed'])('without %s are not accepted', async field => {
    const { xapi } = answering(Object.fromEntries(Object.entries(record).filter(([name]) => name !== field)))
    await expect(xapi.vdiGetRecord('v')).rejects.toThrow(XapiTransportError)
  })

  test.each([
    { virtual_size: 'much' },
    { virtual_size: 2 ** 60 },
    { managed: 'true' },
    { sm_config: { a: 1 } },
    { uuid: 1 },
  ])('with %o are not accepted', async wrong => {
    const { xapi } = answering({ ...record, ...wrong })
    await expect(xapi.vdiGetRecord('v')).rejects.toThrow(XapiTransportError)
  })

  test('of an SR are asked for by its reference', async () => {
    const { xapi, calls } = answering({ 'OpaqueRef:v': record })
    expect([...(await xapi.vdiRecordsOfSr('OpaqueRef:sr')).keys()]).toEqual(['OpaqueRef:v'])
    expect(calls).toEqual([['VDI.get_all_records_where', 'field "SR" = "OpaqueRef:sr"']])
  })
})

test('db_introduce has its nineteen arguments in order, sizes as decimal strings', async () => {
  const { xapi, calls } = answering('OpaqueRef:new')
  const ref = await xapi.vdiDbIntroduce({
    uuid: 'u',
    name_label: 'base copy',
    name_description: 'd',
    SR: 'OpaqueRef:sr',
    type: 'user',
    sharable: false,
    read_only: true,
    location: 'u',
    sm_config: { 'vhd-parent': 'p' },
    managed: false,
    virtual_size: 2 ** 42,
    physical_utilisation: 512,
    cbt_enabled: true,
  })
  expect(ref).toBe('OpaqueRef:new')
  const [nothing, never] = ['OpaqueRef:NULL', '19700101T00:00:00Z']
  const first = ['u', 'base copy', 'd', 'OpaqueRef:sr', 'user', false, true, {}, 'u', {}, { 'vhd-parent': 'p' }, false]
  expect(calls).toEqual([['VDI.db_introduce', ...first, '4398046511104', '512', nothing, false, never, nothing, true]])
})

test('sizes are written as decimal strings, even those that JavaScript would write with an exponent', async () => {
  const { xapi, calls } = answering('')
  await xapi.vdiSetVirtualSize('v', 2 ** 52)
  await xapi.srSetPhysicalSize('s', 0)
  expect(calls).toEqual([
    ['VDI.set_virtual_size', 'v', '4503599627370496'],
    ['SR.set_physical_size', 's', '0'],
  ])
})

test('the master is asked of the one pool', async () => {
  const { xapi, calls } = answering(['OpaqueRef:pool'])
  await expect(xapi.poolGetMaster()).rejects.toThrow('pool.get_master is not a string')
  expect(calls).toEqual([['pool.get_all'], ['pool.get_master', 'OpaqueRef:pool']])
})

describe('the connection of a plugin call', () => {
  const before = process.env['SM_XAPI_URL']
  afterEach(() => {
    if (before === undefined) delete process.env['SM_XAPI_URL']
    else process.env['SM_XAPI_URL'] = before
  })
  const environment = { paths: new Paths('/nonexistent'), effects: new Effects('') }

  test('uses the session and the task of the request and leaves the session logged in', async () => {
    const server = await FakeEndpoint.open(() => jsonResult('OpaqueRef:sr'))
    process.env['SM_XAPI_URL'] = server.url
    const request = { sessionRef: 'OpaqueRef:s', subtaskOf: 'OpaqueRef:t' }
    const { xapi, close } = connectSmXapi({ request, ...environment })
    expect(await xapi.srGetByUuid('u')).toBe('OpaqueRef:sr')
    await close()
    await server.close()
    expect(server.received).toHaveLength(1)
    expect(server.received[0]?.headers['subtask-of']).toBe('OpaqueRef:t')
    expect(server.received[0]?.body).toContain('"params":["OpaqueRef:s","u"]')
  })

  test('without a session every call is an APISession error', async () => {
    const { xapi, close } = connectSmXapi({ request: {}, ...environment })
    await expect(xapi.srGetByUuid('u')).rejects.toMatchObject({ errorName: 'APISession', code: 150 })
    await close()
  })
})
