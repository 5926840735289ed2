import { describe, expect, it } from 'vitest'
import { errnoError } from '../../../lib/os/effects.ts'
import { CommandError } from '../../../lib/os/run.ts'
import { commands, type CommandName } from '../../../lib/smapi/commands.ts'
import { toFault } from '../../../lib/smapi/faults.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { VhdError } from '../../../lib/vhd/VhdUtil.ts'
import { XapiError, XapiTransportError } from '../../../lib/xapi/XapiClient.ts'

const refusals = {
  command: new CommandError(['vhd-util', 'modify'], 22, 'failed: -22\n', 'failed: -22\n'),
  xapi: new XapiError('HANDLE_INVALID', ['VDI', 'OpaqueRef:x']),
  vhd: new VhdError('EINVAL', 22, 'bad footer'),
  errno: errnoError('EIO', 'read failed'),
}

describe('a failure of the outside world', () => {
  it.each<[CommandName, number]>([
    ['sr_scan', 40],
    ['vdi_create', 78],
    ['vdi_delete', 80],
    ['vdi_attach', 46],
    ['vdi_detach', 46],
    ['vdi_activate', 46],
    ['vdi_deactivate', 46],
    ['vdi_resize', 110],
    ['vdi_resize_online', 110],
    ['vdi_snapshot', 82],
    ['vdi_clone', 81],
    ['vdi_update', 202],
    ['sr_attach', 202],
  ])('in %s is fault %d with the message as detail', (command, code) => {
    for (const error of Object.values(refusals)) {
      const fault = toFault(error, command)
      expect(fault.code).toBe(code)
      expect(fault.message).toMatch(/^.+ \[opterr=.+\]$/)
      expect(fault.message).toContain(`[opterr=${error.message}]`)
    }
  })

  it('before the command is known is SMGeneral (202)', () => {
    expect(toFault(refusals.errno).code).toBe(202)
  })

  it('of the XenAPI transport is APIProtocolError (154)', () => {
    expect(toFault(new XapiTransportError('HTTP 500'), 'sr_scan')).toMatchObject({
      code: 154,
      message: expect.stringMatching(/\[opterr=HTTP 500\]$/) as string,
    })
  })
})

describe('an SM error', () => {
  it('keeps its code and text', () => {
    const error = new SmError('VDIInUse', 'still active')
    expect(toFault(error, 'vdi_delete')).toEqual({ code: 24, message: error.message })
    expect(error.message).toMatch(/ \[opterr=still active\]$/)
  })

  it('without detail has no brackets', () => {
    expect(toFault(new SmError('Unimplemented')).message).not.toContain('opterr')
  })
})

describe('a mistake in the program', () => {
  it.each([
    [
      new TypeError("Cannot read properties of undefined (reading 'x')"),
      "Cannot read properties of undefined (reading 'x')",
    ],
    [Object.assign(new RangeError('too big'), { code: 'ERR_OUT_OF_RANGE' }), 'too big'],
    [new RangeError(), 'RangeError'],
    ['just text', 'just text'],
    [undefined, 'undefined'],
  ])('is the bare text under 1200', (error, message) => {
    expect(toFault(error, 'sr_scan')).toEqual({ code: 1200, message })
  })
})

describe('vdi_revert', () => {
  const unexpected = [...Object.values(refusals), new XapiTransportError('HTTP 500'), new TypeError('oops'), 'text']

  it('turns everything unexpected into VDISnapshot (82) that says revert', () => {
    for (const error of unexpected) {
      const fault = toFault(error, 'vdi_revert')
      expect(fault.code).toBe(82)
      expect(fault.message).toContain(' [opterr=revert ')
    }
  })

  it.each([
    errnoError('ENOSPC', 'write'),
    errnoError('EDQUOT', 'write'),
    new VhdError('ENOSPC', 28, 'no room'),
    new CommandError(['vhd-util', 'snapshot'], 28, '', 'error'),
    new CommandError(['vhd-util', 'snapshot'], 122, '', 'error'),
  ])('says SRNoSpace (44) for %s', error => {
    expect(toFault(error, 'vdi_revert')).toMatchObject({
      code: 44,
      message: expect.stringContaining('[opterr=revert ') as string,
    })
  })

  it('keeps the codes that it chose itself', () => {
    expect(toFault(new SmError('Unimplemented', 'raw VDI'), 'vdi_revert').code).toBe(38)
  })
})

it('a fault never carries a stack trace', () => {
  const where = /\n\s+at |\.ts:\d+/
  for (const command of Object.keys(commands) as CommandName[]) {
    for (const error of [...Object.values(refusals), new TypeError('oops')]) {
      expect(toFault(error, command).message).not.toMatch(where)
    }
  }
})
