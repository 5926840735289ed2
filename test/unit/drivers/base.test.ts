import { describe, expect, test } from 'vitest'
import { answerTo } from '../../../drivers/SRCommand.ts'
import { fileSrInfo } from '../../../drivers/file/info.ts'
import { VDI } from '../../../drivers/VDI.ts'
import { SR } from '../../../drivers/SR.ts'
import { commands, type CommandName } from '../../../lib/smapi/commands.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { decodeMethodResponse, encodeMethodCall } from '../../../lib/smapi/xmlrpc.ts'

class BareVDI extends VDI {
  override load(): Promise<void> {
    return Promise.resolve()
  }
}

async function errorOf(target: object, command: CommandName): Promise<unknown> {
  const method: unknown = Reflect.get(target, command)
  if (typeof method !== 'function') return 'no such method'
  try {
    return await (Reflect.apply(method, target, [{}]) as Promise<unknown>)
  } catch (error) {
    return error
  }
}

const names = Object.keys(commands) as CommandName[]
/** sr_attach is the one command whose frame the base class brings. */
const ofSr = names.filter(name => !commands[name].needsVdi && name !== 'sr_get_driver_info' && name !== 'sr_attach')

describe('the base classes', () => {
  test.each(names.filter(name => commands[name].needsVdi))(
    'answer 38 to %s unless a driver overrides it',
    async name => {
      const error = await errorOf(new BareVDI('0c8e5a3d-1b7f-4e29-8a64-9f3d2c7b1e05'), name)
      expect(error).toBeInstanceOf(SmError)
      expect(error).toMatchObject({ code: 38 })
    },
  )

  test.each(ofSr)('answer 38 to %s unless a driver overrides it', async name => {
    const error = await errorOf(Object.create(SR.prototype) as object, name)
    expect(error).toMatchObject({ errorName: 'Unimplemented' })
  })
})

describe('a plugin call', () => {
  const plugin = { info: fileSrInfo, answer: () => Promise.reject(new Error('not to be reached')) }
  const call = (method: string) => encodeMethodCall(method, [{ command: method, device_config: {}, args: [] }])

  test('for driver information needs no driver', async () => {
    expect(decodeMethodResponse(await answerTo(plugin, [call('sr_get_driver_info')]))).toMatchObject({
      value: { name: 'Local Path VHD', required_api_version: '1.0' },
    })
  })

  test.each([
    ['no argument', []],
    ['two arguments', [call('sr_get_driver_info'), 'x']],
    ['an unknown command', [call('vdi_frobnicate')]],
    ['no XML', ['hello']],
  ])('with %s is fault 143', async (_what, argv) => {
    expect(decodeMethodResponse(await answerTo(plugin, argv))).toMatchObject({ fault: { code: 143 } })
  })

  test('of FileSR offers what the reference offers, and VDI_REVERT', () => {
    const reference =
      'SR_PROBE SR_UPDATE VDI_CREATE VDI_DELETE VDI_ATTACH VDI_DETACH VDI_CLONE VDI_SNAPSHOT VDI_RESIZE VDI_MIRROR ' +
      'VDI_GENERATE_CONFIG ATOMIC_PAUSE VDI_CONFIG_CBT VDI_ACTIVATE VDI_DEACTIVATE THIN_PROVISIONING'
    expect([...fileSrInfo.capabilities].sort()).toEqual([...reference.split(' '), 'VDI_REVERT'].sort())
  })
})
