import { describe, expect, it } from 'vitest'
import {
  commands,
  encodeResult,
  parseCreateArguments,
  parseSize,
  parseWritable,
  type CommandName,
} from '../../../lib/smapi/commands.ts'
import type { DriverInfo } from '../../../lib/smapi/DriverInfo.ts'
import { smErrorNames } from '../../../lib/smapi/SmError.ts'
import { decodeMethodResponse } from '../../../lib/smapi/xmlrpc.ts'
import { DISK } from './fixtures.ts'

const VDI = { location: DISK, uuid: DISK }

describe('the command table', () => {
  it('has the commands of the protocol', () => {
    expect(Object.keys(commands).sort()).toEqual(
      [
        ...['sr_get_driver_info', 'sr_create', 'sr_delete', 'sr_attach', 'sr_detach', 'sr_scan', 'sr_update'],
        ...['sr_probe', 'sr_content_type', 'vdi_create', 'vdi_introduce', 'vdi_delete', 'vdi_attach', 'vdi_detach'],
        ...['vdi_activate', 'vdi_deactivate', 'vdi_snapshot', 'vdi_clone', 'vdi_revert', 'vdi_resize'],
        ...['vdi_resize_online', 'vdi_update', 'vdi_compose', 'vdi_generate_config', 'vdi_attach_from_config'],
        ...['vdi_detach_from_config', 'vdi_epoch_begin', 'vdi_epoch_end', 'vdi_enable_cbt', 'vdi_disable_cbt'],
        ...['vdi_data_destroy', 'vdi_list_changed_blocks'],
      ].sort(),
    )
  })

  it('names only errors that exist', () => {
    const names = smErrorNames()
    for (const row of Object.values(commands)) expect(names).toContain(row.unexpected)
  })
})

describe('a result', () => {
  it.each<[CommandName, unknown]>([
    ['sr_scan', null],
    ['vdi_revert', null],
    ['sr_probe', '<SRlist/>'],
    ['vdi_create', VDI],
    ['vdi_attach', { params_nbd: 'nbd:unix:/x:exportname=y', o_direct: true, xenstore_data: { 'vdi-uuid': DISK } }],
  ])('of %s reaches the caller as it is', (command, result) => {
    expect(decodeMethodResponse(encodeResult(command, result))).toEqual({ value: result })
  })

  it('of a command that answers nothing may be undefined', () => {
    expect(decodeMethodResponse(encodeResult('vdi_delete', undefined))).toEqual({ value: null })
  })

  it('that is the driver info keeps the order of its members', () => {
    const info: DriverInfo = {
      name: 'n',
      description: 'd',
      vendor: 'v',
      copyright: 'c',
      driver_version: '1.0',
      required_api_version: '1.0',
      capabilities: ['VDI_REVERT'],
      configuration: [{ key: 'location', description: 'directory' }],
      supported_image_formats: ['vhd', 'raw'],
    }
    const answer = decodeMethodResponse(encodeResult('sr_get_driver_info', info))
    expect(answer).toEqual({ value: info })
    expect(Object.keys('value' in answer ? (answer.value as object) : {})).toEqual(Object.keys(info))
  })

  it.each<[CommandName, unknown]>([
    ['vdi_revert', VDI],
    ['sr_scan', ''],
    ['sr_probe', undefined],
    ['sr_probe', null],
    ['vdi_create', null],
    ['vdi_create', { uuid: DISK }],
    ['vdi_create', { ...VDI, size: 4096 }],
    ['vdi_create', [DISK, DISK]],
    ['vdi_attach', { params_nbd: undefined }],
    ['vdi_attach', { params_nbd: () => 'x' }],
    ['vdi_attach', null],
  ])('of %s that xapi would refuse is an error: %j', (command, result) => {
    expect(() => encodeResult(command, result)).toThrow(TypeError)
  })
})

describe('arguments', () => {
  it('of vdi_create have defaults after the size', () => {
    expect(parseCreateArguments(['4194304'])).toEqual({
      size: 4194304,
      nameLabel: '',
      nameDescription: '',
      metadataOfPool: '',
      isASnapshot: false,
      snapshotTime: '19700101T00:00:00Z',
      snapshotOf: '',
      readOnly: false,
    })
  })

  it('of vdi_create are taken in the order of the protocol', () => {
    const args = ['1', 'label', 'text', 'OpaqueRef:p', 'true', '20250102T03:04:05Z', 'OpaqueRef:v', 'true', 'more']
    expect(parseCreateArguments(args)).toEqual({
      size: 1,
      nameLabel: 'label',
      nameDescription: 'text',
      metadataOfPool: 'OpaqueRef:p',
      isASnapshot: true,
      snapshotTime: '20250102T03:04:05Z',
      snapshotOf: 'OpaqueRef:v',
      readOnly: true,
    })
  })

  it('are exact sizes in bytes', () => {
    expect(parseSize('0')).toBe(0)
    expect(parseSize('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER)
    for (const text of ['', ' 1', '1.0', '1e3', '0x10', '+1', '-', '--1', '9'.repeat(400), undefined]) {
      expect(() => parseSize(text, 'size')).toThrow(expect.objectContaining({ code: 1 }))
    }
  })

  it('leave it to the driver to refuse a size that cannot be', () => {
    expect(parseSize('-1')).toBe(-1)
    expect(parseSize('99999999999999999999')).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
  })

  it('say in two words whether a disk is attached for writing', () => {
    expect(parseWritable(['true'])).toBe(true)
    expect(parseWritable(['false'])).toBe(false)
    expect(() => parseWritable(['TRUE'])).toThrow(expect.objectContaining({ code: 1 }))
    expect(() => parseWritable([])).toThrow(expect.objectContaining({ code: 1 }))
  })
})
