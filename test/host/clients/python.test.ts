import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Box } from '../toolstack/box.ts'

const flow = fileURLToPath(new URL('../../fixtures/clients/xenapi_flow.py', import.meta.url))
const run = promisify(execFile)

let box: Box
beforeAll(async () => {
  box = await Box.open({ listen: { host: '127.0.0.1', port: 0, user: 'root', password: 'secret & <odd>' } })
})
afterAll(async () => {
  await box.close()
})

/** What the script saw, on a VM of its own with one disk. */
async function flowOn(type: string, url: string): Promise<Record<string, unknown>> {
  const vm = await box.makeVm()
  await box.addDrive(vm, await box.makeVdi(await box.makeSr(type)))
  const { stdout } = await run('python3', [flow, url, 'root', 'secret & <odd>', await box.text('VM.get_uuid', vm)])
  return JSON.parse(stdout) as Record<string, unknown>
}

const ofTransport = (transport: string) => (transport === 'TCP' ? `${box.toolstack.tcpUrl ?? ''}/` : box.toolstack.url)

describe.each(['TCP', 'the socket'])("a script on Python's XenAPI, over %s", transport => {
  test('sees its VM go back in place', async () => {
    const seen = await flowOn('fake', ofTransport(transport))
    expect(seen).toMatchObject({
      version: ['2', '21'],
      drivers: ['fake', 'norevert'],
      snapshot: { is_a_snapshot: true, of: true },
      snapshot_time: expect.stringMatching(/^20\d{6}T\d\d:\d\d:\d\dZ$/) as unknown,
      after: seen['before'],
      task: ['success', '', 1],
      after_task: seen['before'],
      size: '4194304',
      unknown: ['HANDLE_INVALID', 'VDI', 'OpaqueRef:unknown'],
      missing: ['MESSAGE_METHOD_UNKNOWN', 'VDI.fly'],
      count: ['MESSAGE_PARAMETER_COUNT_MISMATCH', 'VM.revert', '2', '1'],
      no_snapshot: ['REVERT_ONLY_ALLOWED_ON_SNAPSHOT'],
      methods: [true, true],
    })
  })

  test('sees other disks where its driver cannot', async () => {
    const seen = await flowOn('norevert', ofTransport(transport))
    const [before, after, later] = [seen['before'], seen['after'], seen['after_task']] as string[][][]
    expect(after?.map(([device]) => device)).toEqual(before?.map(([device]) => device))
    const uuids = [before, after, later].map(disks => disks?.[0]?.[1])
    expect(new Set(uuids).size).toBe(3)
  })
})
