import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commands, isCommandName } from '../../../lib/smapi/commands.ts'
import { decodeRequest } from '../../../lib/smapi/Request.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { encodeMethodCall, type XmlInput } from '../../../lib/smapi/xmlrpc.ts'
import { callWith, DISK, example, SNAPSHOT, SR } from './fixtures.ts'

const BASE = { host_ref: 'OpaqueRef:h', args: [], device_config: { SRmaster: 'true' }, session_ref: 'OpaqueRef:s' }
const IN_SR = { ...BASE, sr_ref: 'OpaqueRef:sr', sr_uuid: SR }
const ON_VDI = { ...IN_SR, vdi_ref: 'OpaqueRef:v', vdi_uuid: DISK, vdi_location: DISK }

function decode(command: string, members: Record<string, XmlInput>) {
  return decodeRequest(encodeMethodCall(command, [{ command, ...members }]))
}

function without(name: string, members: Record<string, XmlInput>): Record<string, XmlInput> {
  return Object.fromEntries(Object.entries(members).filter(([key]) => key !== name))
}

function codeOf(action: () => unknown): number | undefined {
  try {
    action()
  } catch (error) {
    if (error instanceof SmError) return error.code
    throw error
  }
  return undefined
}

describe('the worked examples', () => {
  it('driver info needs neither session nor SR', () => {
    expect(decodeRequest(example('driver-info-request'))).toMatchObject({
      command: 'sr_get_driver_info',
      args: [],
      srUuid: '',
      sessionRef: undefined,
      isMaster: false,
    })
  })

  it('vdi_create carries a label with quotes and may leave the uuid to the driver', () => {
    expect(decodeRequest(example('vdi-create-request'))).toMatchObject({
      command: 'vdi_create',
      args: ['4194304', 'disk "A" & co', '', '', 'false', '19700101T00:00:00Z', '', 'false'],
      deviceConfig: { SRmaster: 'true', location: '/srv/sr' },
      isMaster: true,
      srUuid: SR,
      vdiUuid: undefined,
      vdiType: 'user',
      vdiSmConfig: {},
      hasDriverParams: false,
    })
  })

  it('vdi_attach is asked for write access', () => {
    expect(decodeRequest(example('vdi-attach-request'))).toMatchObject({
      command: 'vdi_attach',
      args: ['true'],
      vdiUuid: DISK,
    })
  })

  it('vdi_snapshot carries driver parameters', () => {
    expect(decodeRequest(example('vdi-snapshot-request'))).toMatchObject({
      vdiUuid: DISK,
      hasDriverParams: true,
      driverParams: { epochhint: 'f3a81d60-5c2e-4b97-8d04-a6e9172c5b38' },
    })
  })

  it('vdi_revert names the snapshot by its members and the target by its argument', () => {
    expect(decodeRequest(example('vdi-revert-request'))).toMatchObject({
      command: 'vdi_revert',
      args: ['OpaqueRef:3b6e9d14-8c70-4a25-9f1e-5d2c7a8b4e63'],
      hostRef: 'OpaqueRef:5f1d8c2a-7b3e-46f9-a0d4-c81e2b9f6d37',
      sessionRef: 'OpaqueRef:e2a7c4d9-0f18-4b63-9c5d-3a6e8f2b7d14',
      srRef: 'OpaqueRef:91c3e7b5-2d4f-48a6-b0e9-6f5a1d8c3b27',
      vdiRef: 'OpaqueRef:c85f2a7d-4e31-49b8-a6d0-1f7b3e9c5d82',
      vdiUuid: SNAPSHOT,
      vdiLocation: SNAPSHOT,
      vdiOnBoot: 'persist',
      vdiAllowCaching: 'false',
      subtaskOf: 'OpaqueRef:7d0b2f6e-9a1c-4e83-8f57-c4d3a6b1e902',
    })
  })
})

describe('a request is a BadRequest (143)', () => {
  it.each([
    ['that is no XML', 'this is not xml'],
    ['without a struct', callWith('text')],
    ['with an array for a struct', callWith('<array><data/></array>')],
    ['with an empty struct', callWith('<struct/>')],
    ['with two parameters', encodeMethodCall('sr_scan', [IN_SR, IN_SR])],
    ['with U+FFFE in a label', encodeMethodCall('vdi_create', [IN_SR]).replace('OpaqueRef:sr', '\ufffe')],
    ['longer than an argument can be', encodeMethodCall('sr_scan', [{ ...IN_SR, pad: 'x'.repeat(131072) }])],
  ])('%s', (_what, argument) => {
    expect(codeOf(() => decodeRequest(argument))).toBe(143)
  })

  it.each(['vdi_frobnicate', 'vdi_force_unlock', 'constructor', '__proto__', 'toString'])(
    'for the command %s',
    name => {
      expect(codeOf(() => decode(name, ON_VDI))).toBe(143)
    },
  )

  it('without device_config', () => {
    expect(codeOf(() => decode('sr_scan', without('device_config', IN_SR)))).toBe(143)
    expect(codeOf(() => decode('sr_get_driver_info', {}))).toBe(143)
  })

  it('without the SR, the session or the VDI that the command needs', () => {
    expect(codeOf(() => decode('sr_scan', BASE))).toBe(143)
    expect(codeOf(() => decode('sr_scan', { ...IN_SR, sr_uuid: '' }))).toBe(143)
    expect(codeOf(() => decode('vdi_delete', IN_SR))).toBe(143)
    const offline = without('session_ref', ON_VDI)
    expect(codeOf(() => decode('vdi_delete', offline))).toBe(143)
    expect(decode('vdi_attach_from_config', offline).vdiUuid).toBe(DISK)
    expect(decode('sr_probe', { ...BASE, sr_sm_config: { a: 'b' } }).srSmConfig).toEqual({ a: 'b' })
  })
})

describe('a malformed value is an InvalidArg (1) that names it', () => {
  it.each<[string, XmlInput]>([
    ['sr_uuid', '../../etc/passwd'],
    ['sr_uuid', SR.toUpperCase()],
    ['sr_uuid', `${SR}\n`],
    ['sr_uuid', `${SR}/..`],
    ['vdi_uuid', DISK.slice(1)],
    ['vdi_uuid', 7],
    ['vdi_uuid', null],
    ['new_uuid', 'x'],
    ['local_cache_sr', 'x'],
    ['vdi_location', '../x'],
    ['vdi_location', '..'],
    ['vdi_location', 'a\nb'],
    ['vdi_ref', "OpaqueRef:'"],
    ['sr_ref', 'a"b'],
    ['session_ref', 'a\nb'],
    ['host_ref', 'ä'],
    ['subtask_of', 'a\r\nX-Header: b'],
    ['vdi_type', 'User;'],
    ['vdi_on_boot', 'maybe'],
    ['vdi_allow_caching', '1'],
    ['device_config', 'text'],
    ['device_config', { size: 3 }],
    ['vdi_sm_config', []],
    ['args', 'text'],
    ['args', [3]],
  ])('%s = %j', (name, value) => {
    expect(() => decode('vdi_delete', { ...ON_VDI, [name]: value })).toThrow(
      expect.objectContaining({ code: 1, detail: expect.stringMatching(`^${name}:`) as string }),
    )
  })

  it.each<[string, string[], string]>([
    ['sr_create', [], 'size'],
    ['sr_create', ['1G'], 'size'],
    ['vdi_create', [], 'size'],
    ['vdi_create', ['1', 'n', 'd', '', 'yes'], 'is_a_snapshot'],
    ['vdi_create', ['1', 'n', 'd', '', 'true', "'"], 'snapshot_time'],
    ['vdi_resize', ['1.5'], 'size'],
    ['vdi_attach', [], 'writable'],
    ['vdi_activate', ['True'], 'writable'],
    ['vdi_revert', [], 'target'],
    ['vdi_revert', [''], 'target'],
    ['vdi_compose', [], 'parent'],
    ['vdi_list_changed_blocks', [], 'vdi_to'],
  ])('%s with arguments %j', (command, args, name) => {
    expect(() => decode(command, { ...ON_VDI, args })).toThrow(
      expect.objectContaining({ code: 1, detail: expect.stringMatching(`^${name}:`) as string }),
    )
  })
})

describe('a request is accepted', () => {
  it('for every command that there is, with what the command needs', () => {
    for (const [command, row] of Object.entries(commands)) {
      const texts: Record<string, string> = { size: '0', writable: 'false' }
      const args = row.args.filter(arg => arg.required).map(arg => texts[arg.name] ?? 'OpaqueRef:x')
      const members = row.needsVdi ? ON_VDI : row.needsSr ? IN_SR : BASE
      expect(decode(command, { ...members, args }).command).toBe(command)
    }
  })

  it('with unknown members, surplus arguments and members in any order', () => {
    const request = decode('sr_scan', Object.fromEntries(Object.entries({ ...IN_SR, future: ['x'] }).reverse()))
    expect(request.srUuid).toBe(SR)
    expect(decode('sr_scan', { ...IN_SR, args: ['x'] }).args).toEqual(['x'])
  })

  it('when the member command says something else: the method name counts', () => {
    const argument = encodeMethodCall('sr_scan', [{ ...IN_SR, command: 'sr_delete' }])
    expect(decodeRequest(argument).command).toBe('sr_scan')
  })

  it('with the references that xapi uses', () => {
    const request = decode('sr_scan', {
      ...IN_SR,
      host_ref: 'OpaqueRef:NULL',
      subtask_of: 'DummyRef:|a|VDI.attach "x"',
    })
    expect(request.hostRef).toBe('OpaqueRef:NULL')
    expect(request.subtaskOf).toBe('DummyRef:|a|VDI.attach "x"')
  })

  it('without driver_params, which is then empty', () => {
    const request = decode('vdi_snapshot', ON_VDI)
    expect(request.hasDriverParams).toBe(false)
    expect(request.driverParams).toEqual({})
  })

  it('with device_config keys of any name', () => {
    const request = decode('sr_scan', { ...IN_SR, device_config: JSON.parse('{"__proto__":"x"}') as XmlInput })
    expect(Object.entries(request.deviceConfig)).toEqual([['__proto__', 'x']])
    expect(request.isMaster).toBe(false)
  })
})

it('no argument whatever makes the decoder fail with anything but 1 or 143', () => {
  const documents = Object.keys(commands).map(command => encodeMethodCall(command, [{ ...ON_VDI, args: ['1'] }]))
  const damaged = fc
    .tuple(fc.constantFrom(...documents), fc.nat(), fc.nat(40), fc.string({ unit: 'binary', maxLength: 20 }))
    .map(([text, at, length, insert]) => {
      const start = at % text.length
      return text.slice(0, start) + insert + text.slice(start + length)
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.string({ unit: 'binary' })), argument => {
      expect([undefined, 1, 143]).toContain(codeOf(() => decodeRequest(argument)))
    }),
    { numRuns: 500 },
  )
})

it('only the names of the table are commands', () => {
  expect(isCommandName('vdi_revert')).toBe(true)
  expect(isCommandName('hasOwnProperty')).toBe(false)
})
