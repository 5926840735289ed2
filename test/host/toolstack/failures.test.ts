import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Box, failureOf } from './box.ts'

let box: Box
let sr: string
let vdi: string
beforeAll(async () => {
  box = await Box.open()
  sr = await box.makeSr()
  vdi = await box.makeVdi(sr)
})
afterAll(async () => {
  await box.close()
})

async function failureWith(behaviour: object): Promise<string[]> {
  await box.behave({ vdi_resize: behaviour })
  return failureOf(box.api.call('VDI.resize', vdi, '8388608'))
}

describe('a fault of a plugin reaches the client as xapi would tell it', () => {
  test.each([
    [39, ['SR_NOT_EMPTY']],
    [24, ['VDI_IN_USE']],
    [16, ['SR_DEVICE_IN_USE']],
    [44, ['SR_BACKEND_FAILURE_44', '', 'failed', 'what stderr said']],
    [1200, ['SR_BACKEND_FAILURE_1200', '', 'failed', 'what stderr said']],
  ])('code %i', async (fault, expected) => {
    expect(await failureWith({ fault, stderr: 'what stderr said' })).toEqual(expected)
  })

  test('code 144 names the SR and the disk', async () => {
    expect(await failureWith({ fault: 144 })).toEqual(['VDI_MISSING', sr, vdi])
  })

  test('code 38 of a disk operation and of an SR operation', async () => {
    expect(await failureWith({ fault: 38 })).toEqual(['UNIMPLEMENTED_IN_SM_BACKEND', sr])
    await box.behave({ sr_scan: { fault: 38 } })
    expect(await failureOf(box.api.call('SR.scan', sr))).toEqual(['SR_OPERATION_NOT_SUPPORTED', sr])
  })
})

describe('a plugin that does not answer properly is a backend failure', () => {
  test('exit status', async () => {
    expect(await failureWith({ exit: 3, stdout: 'out', stderr: 'err' })).toEqual([
      'SR_BACKEND_FAILURE',
      'non-zero exit',
      'out',
      'err',
    ])
  })

  test('death by a signal', async () => {
    expect(await failureWith({ signal: 'SIGKILL' })).toEqual(['SR_BACKEND_FAILURE', 'received signal: SIGKILL', '', ''])
  })

  test.each([
    ['no XML', 'garbage'],
    ['nothing', ''],
    ['a blank line in front of the declaration', "\n<?xml version='1.0'?><methodResponse/>"],
    ['two documents', '<a/>x'],
  ])('%s', async (_, stdout) => {
    const [code, message, out] = await failureWith({ stdout })
    expect([code, out]).toEqual(['SR_BACKEND_FAILURE', stdout])
    expect(message).not.toBe('')
  })

  const answer = (value: string) => `<methodResponse><params><param>${value}</param></params></methodResponse>`
  const vdiStruct = (uuid: string) =>
    `<struct><member><name>location</name><value>l</value></member><member><name>uuid</name>${uuid}</member></struct>`
  test.each([
    ['another type', answer('<value>text</value>')],
    ['a number where only strings may be', answer(`<value>${vdiStruct('<value><int>1</int></value>')}</value>`)],
    ['attributes', answer(`<value a="b">${vdiStruct('<value>u</value>')}</value>`)],
    [
      'a member that starts with its value',
      answer('<value><struct><member><value>u</value><name>uuid</name></member></struct></value>'),
    ],
    ['a missing member', answer('<value><struct/></value>')],
    ['another root', '<methodCall/>'],
  ])('%s', async (_, stdout) => {
    const [code, first, second] = await failureWith({ stdout })
    expect([code, first, second]).toEqual(['SR_BACKEND_FAILURE', '', 'XML parse failure: unexpected answer'])
  })
})

test('a nil where a disk is expected and a text where nil is expected are refused', async () => {
  await box.behave({
    sr_update: { stdout: '<methodResponse><params><param><value/></param></params></methodResponse>' },
  })
  expect((await failureOf(box.api.call('SR.update', sr)))[0]).toBe('SR_BACKEND_FAILURE')
})

test('the lists that a probe prints on stderr arrive as the third parameter', async () => {
  await box.behave({ sr_probe: { fault: 101, stderr: '<nfs-exports/>' } })
  const [host = ''] = (await box.api.call('host.get_all')) as string[]
  expect(await failureOf(box.api.call('SR.probe', host, { dir: box.root }, 'fake', {}))).toEqual([
    'SR_BACKEND_FAILURE_101',
    '',
    'failed',
    '<nfs-exports/>',
  ])
})

test('a child that a plugin leaves behind with its outputs holds nobody up', async () => {
  await box.behave({ sr_update: { child: 20 } })
  const start = performance.now()
  await box.api.call('SR.update', sr)
  expect(performance.now() - start).toBeLessThan(10_000)
})

test('a plugin that cannot be started is a backend failure that does not show the argument', async () => {
  await box.behave({})
  const failure = await failureOf(
    box.api.call('VDI.create', { SR: sr, name_label: 'x'.repeat(200_000), virtual_size: '1', type: 'user' }),
  )
  expect(failure[0]).toBe('SR_BACKEND_FAILURE')
  expect(failure[1]).toMatch(/^cannot run .*FakeSR: E2BIG$/)
})

test('an operation that failed leaves nothing in progress', async () => {
  await failureWith({ fault: 46 })
  expect(await box.record('SR', sr)).toMatchObject({ current_operations: {} })
  expect(await box.record('VDI', vdi)).toMatchObject({ current_operations: {} })
  expect(await box.api.call('task.get_all')).toEqual([])
})

test('an SR that cannot be created leaves no records', async () => {
  await box.behave({ sr_create: { fault: 61 } })
  const count = async () => ((await box.api.call('SR.get_all')) as string[]).length
  const before = await count()
  expect((await failureOf(box.makeSr()))[0]).toBe('SR_BACKEND_FAILURE_61')
  expect(await count()).toBe(before)
})

test('what a plugin says never shows its session', async () => {
  await box.behave({ vdi_resize: { exit: 1, stdout: 'see below' } })
  await failureOf(box.api.call('VDI.resize', vdi, '8388608'))
  const sessions = (await box.runs('vdi_resize')).map(
    ({ argv }) => /session_ref<\/name><value>([^<]*)/.exec(argv[0] ?? '')?.[1],
  )
  for (const session of sessions) expect(box.log.join()).not.toContain(session)
})
