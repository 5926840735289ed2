import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Box, failureOf } from './box.ts'

let box: Box
let sr: string
beforeAll(async () => {
  box = await Box.open()
  sr = await box.makeSr()
})
afterAll(async () => {
  await box.close()
})

describe('get_all_records_where', () => {
  /** With nothing in it but what is asked for. */
  let own: Box
  let ownSr: string
  let snapshot: string
  let vdi: string
  beforeAll(async () => {
    own = await Box.open()
    ownSr = await own.makeSr()
    vdi = await own.makeVdi(ownSr, { name_label: 'it\'s "quoted"' })
    snapshot = await own.text('VDI.snapshot', vdi)
  })
  afterAll(async () => {
    await own.close()
  })

  const matches = async (expression: string) =>
    Object.keys((await own.api.call('VDI.get_all_records_where', expression)) as object)

  test.each<[string, (all: { vdi: string; snapshot: string }) => string[]]>([
    ['true', all => [all.vdi, all.snapshot]],
    ['false', () => []],
    ['field "is_a_snapshot" = "true"', all => [all.snapshot]],
    ['not field "is__a__snapshot"="true"', all => [all.vdi]],
    [`field "SR" = "{sr}" andfield "is_a_snapshot" = "false"`, all => [all.vdi]],
    ['(field "is_a_snapshot"="true")or(field "virtual_size"="4194304")', all => [all.vdi, all.snapshot]],
    [`field 'name_label' = "it's \\"quoted\\"" and (true and not (false))`, all => [all.vdi, all.snapshot]],
    ['field "type"="system"', () => []],
  ])('%s', async (expression, expected) => {
    expect(await matches(expression.replace('{sr}', ownSr))).toEqual(expected({ vdi, snapshot }))
  })

  test.each([
    '',
    'field "uuid"',
    'field "uuid" = ',
    'true true',
    '(true',
    'field "no_such" = "x"',
    '"',
    '('.repeat(5000),
  ])('refuses %s', async expression => {
    expect((await failureOf(matches(expression)))[0]).toBe('INVALID_VALUE')
  })
})

describe('accessors', () => {
  test('read and write one field', async () => {
    const vdi = await box.makeVdi(sr)
    await box.api.call('VDI.set_name_label', vdi, 'renamed')
    await box.api.call('VDI.add_tags', vdi, 'one')
    await box.api.call('VDI.add_tags', vdi, 'one')
    await box.api.call('VDI.add_tags', vdi, 'two')
    await box.api.call('VDI.remove_tags', vdi, 'one')
    expect(await box.record('VDI', vdi)).toMatchObject({ name_label: 'renamed', tags: ['two'] })
    expect(await box.api.call('VDI.get_by_name_label', 'renamed')).toEqual([vdi])
  })

  test('do not exist for fields that may not be written', async () => {
    const vdi = await box.makeVdi(sr)
    const unknown = ['VDI.set_uuid', 'VDI.set_location', 'VDI.add_to_name_label', 'session.get_all', 'VDI.get_nothing']
    for (const method of unknown) {
      expect(await failureOf(box.api.call(method, vdi, 'x'))).toEqual(['MESSAGE_METHOD_UNKNOWN', method])
    }
  })

  test('say what is wrong with their arguments', async () => {
    const vdi = await box.makeVdi(sr)
    expect(await failureOf(box.api.call('VDI.get_by_uuid', 'x'))).toEqual(['UUID_INVALID', 'VDI', 'x'])
    expect(await failureOf(box.api.call('VDI.set_other_config', vdi, { a: 1 }))).toEqual(['FIELD_TYPE_ERROR', 'value'])
    const wrongCount = ['MESSAGE_PARAMETER_COUNT_MISMATCH', 'VDI.get_uuid', '2', '3']
    expect(await failureOf(box.api.call('VDI.get_uuid', vdi, 'x'))).toEqual(wrongCount)
    expect(await failureOf(box.api.call('VDI.resize', vdi, 'much'))).toEqual(['FIELD_TYPE_ERROR', 'size'])
  })
})

describe('storage repositories', () => {
  test('come, go through a scan, and are destroyed with their records', async () => {
    const own = await box.makeSr()
    const vdi = await box.makeVdi(own)
    await box.api.call('SR.scan', own)
    expect(await box.record('SR', own)).toMatchObject({ virtual_allocation: 4194304, VDIs: [vdi] })
    const [pbd = ''] = (await box.record('SR', own))['PBDs'] as string[]
    expect(await failureOf(box.api.call('SR.destroy', own))).toEqual(['SR_HAS_PBD', own])
    expect((await failureOf(box.api.call('PBD.destroy', pbd)))[0]).toBe('OPERATION_NOT_ALLOWED')
    await box.api.call('PBD.unplug', pbd)
    expect(await failureOf(box.api.call('SR.destroy', own))).toEqual(['SR_NOT_EMPTY'])
    await box.api.call('PBD.plug', pbd)
    await box.api.call('VDI.destroy', vdi)
    await box.api.call('PBD.unplug', pbd)
    await box.api.call('SR.destroy', own)
    expect(await failureOf(box.record('SR', own))).toEqual(['HANDLE_INVALID', 'SR', own])
    expect(await failureOf(box.record('PBD', pbd))).toEqual(['HANDLE_INVALID', 'PBD', pbd])
  })

  test('are forgotten and introduced again without a word to the driver', async () => {
    const own = await box.makeSr()
    const { uuid, PBDs } = await box.record('SR', own)
    const [pbd = ''] = PBDs as string[]
    const { host } = await box.record('PBD', pbd)
    await box.api.call('PBD.unplug', pbd)
    const before = (await box.runs('')).length
    await box.api.call('SR.forget', own)
    const again = await box.text('SR.introduce', String(uuid), 'back', '', 'fake', 'user', false, {})
    const newPbd = await box.text('PBD.create', { host: String(host), SR: again, device_config: { dir: box.root } })
    expect((await box.runs('')).length).toBe(before)
    await box.api.call('PBD.plug', newPbd)
    expect(await box.record('SR', again)).toMatchObject({ uuid, PBDs: [newPbd] })
    const duplicate = box.api.call('PBD.create', { host: String(host), SR: again, device_config: {} })
    expect((await failureOf(duplicate))[0]).toBe('PBD_EXISTS')
  })

  test('of an unknown type, or with the master named by the client, are refused', async () => {
    expect(await failureOf(box.makeSr('exotic'))).toEqual(['SR_UNKNOWN_DRIVER', 'exotic'])
    expect((await failureOf(box.makeSr('fake', { SRmaster: 'true' })))[0]).toBe('INVALID_VALUE')
  })
})

describe('tasks', () => {
  const settled = async (task: string) => {
    await expect.poll(async () => (await box.record('task', task))['status']).not.toBe('pending')
    return box.record('task', task)
  }

  test('tell the result of an asynchronous call', async () => {
    const vdi = await box.makeVdi(sr)
    const task = await box.text('Async.VDI.snapshot', vdi)
    const { result, ...record } = await settled(task)
    expect(record).toMatchObject({ status: 'success', progress: 1, error_info: [] })
    const [snapshot] = (await box.record('VDI', vdi))['snapshots'] as string[]
    expect(result).toBe(`<value>${snapshot ?? ''}</value>`)
    const revert = await settled(await box.text('Async.VDI.revert', snapshot ?? ''))
    expect(revert).toMatchObject({ status: 'success', result: '' })
    await box.api.call('task.destroy', task)
    expect((await failureOf(box.record('task', task)))[0]).toBe('HANDLE_INVALID')
  })

  test('tell the failure of an asynchronous call', async () => {
    const vdi = await box.makeVdi(sr)
    const task = await box.text('Async.VDI.revert', vdi)
    const failure = { status: 'failure', result: '', error_info: ['REVERT_ONLY_ALLOWED_ON_SNAPSHOT'] }
    expect(await settled(task)).toMatchObject(failure)
  })

  test('belong to clients too', async () => {
    const task = await box.text('task.create', 'label', 'description')
    await box.api.call('task.set_progress', task, 0.5)
    expect(await box.record('task', task)).toMatchObject({ name_label: 'label', progress: 0.5, status: 'pending' })
    await box.api.call('task.cancel', task)
    expect(await box.record('task', task)).toMatchObject({ status: 'cancelling' })
  })

  test('accessors have no asynchronous form', async () => {
    const method = 'Async.VDI.get_uuid'
    expect(await failureOf(box.api.call(method, 'x'))).toEqual(['MESSAGE_METHOD_UNKNOWN', method])
  })
})

describe('events', () => {
  interface Batch {
    events: { class: string; operation: string; ref: string; snapshot?: Record<string, unknown> }[]
    token: string
    valid_ref_counts: Record<string, number>
  }
  const from = async (classes: string[], token: string, timeout: number) =>
    (await box.api.call('event.from', classes, token, timeout)) as Batch

  test('tell everything to whom is new, then only what changed', async () => {
    const vdi = await box.makeVdi(sr)
    const first = await from(['vdi'], '', 0)
    expect(first.events.find(({ ref }) => ref === vdi)).toMatchObject({ class: 'vdi', operation: 'add' })
    expect(first.valid_ref_counts).toMatchObject({ pool: 1, host: 1, vbd: 0 })
    await box.api.call('VDI.set_name_label', vdi, 'new name')
    const second = await from(['VDI'], first.token, 0)
    expect(second.events).toHaveLength(1)
    expect(second.events[0]).toMatchObject({ operation: 'mod', ref: vdi, snapshot: { name_label: 'new name' } })
    await box.api.call('VDI.destroy', vdi)
    const third = await from(['*'], second.token, 0)
    expect(third.events[0]).toMatchObject({ operation: 'del', class: 'vdi', ref: vdi })
    expect(third.events[0]).not.toHaveProperty('snapshot')
  })

  test('come to those who wait, and only what they asked for', async () => {
    const [pool = ''] = (await box.api.call('pool.get_all')) as string[]
    const { token } = await from([`pool/${pool}`], '', 0)
    const waiting = from([`pool/${pool}`], token, 30)
    await box.makeVdi(sr)
    await box.api.call('pool.add_to_other_config', pool, 'key', 'value')
    const { events } = await waiting
    expect(events.map(({ ref }) => ref)).toEqual([pool])
  })

  test('are none when the time is over, and a bad token is refused', async () => {
    const { token } = await from(['pool'], '', 0)
    expect((await from(['pool'], token, 0.05)).events).toEqual([])
    expect(await failureOf(from(['pool'], 'x', 0))).toEqual(['EVENT_FROM_TOKEN_PARSE_FAILURE', 'x'])
  })

  test('never show sessions', async () => {
    const { events } = await from(['*'], '', 0)
    expect(events.some(event => event.class === 'session')).toBe(false)
  })

  test('can be injected', async () => {
    const [pool = ''] = (await box.api.call('pool.get_all')) as string[]
    const { token } = await from(['pool'], '', 0)
    await box.api.call('event.inject', 'pool', pool)
    expect((await from(['pool'], token, 0)).events).toMatchObject([{ operation: 'mod', ref: pool }])
    expect((await failureOf(box.api.call('event.inject', 'pool', 'x')))[0]).toBe('HANDLE_INVALID')
  })
})

describe('events as old clients ask for them', () => {
  type Event = { readonly class: string; readonly operation: string; readonly ref: string }
  const next = () => box.api.call('event.next') as Promise<Event[]>
  afterEach(async () => {
    await box.api.call('event.unregister', ['*'])
    await box.api.call('event.unregister', ['vdi', 'pool'])
  })

  test('come once, in batches, and only of what was registered', async () => {
    const vdi = await box.makeVdi(sr)
    await box.api.call('event.register', ['vdi'])
    await box.api.call('SR.set_name_description', sr, 'not of interest')
    await box.api.call('VDI.add_tags', vdi, 'x')
    expect(await next()).toMatchObject([{ class: 'vdi', operation: 'mod', ref: vdi }])
    const waiting = next()
    await box.api.call('VDI.destroy', vdi)
    const later = await waiting
    expect(later.every(event => event.ref === vdi)).toBe(true)
  })

  test('need a registration', async () => {
    expect((await failureOf(next()))[0]).toBe('SESSION_NOT_REGISTERED')
  })

  test('that nobody fetched are lost at some point, and that is said', async () => {
    await box.api.call('event.register', ['pool'])
    for (let count = 0; count < 20_100; count += 1) {
      await box.api.call('task.destroy', await box.text('task.create', 'short', ''))
    }
    expect(await failureOf(next())).toEqual(['EVENTS_LOST'])
  })
})
