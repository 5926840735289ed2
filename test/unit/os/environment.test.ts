import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { chooseVhdUtil } from '../../../lib/vhd/chooseVhdUtil.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { connectSmXapi } from '../../../lib/xapi/connectSmXapi.ts'

describe('a variable of the contract that is empty counts as not set', () => {
  beforeEach(() => {
    for (const name of ['SM_ROOT', 'SM_XAPI_URL', 'SM_VHD_UTIL']) vi.stubEnv(name, '')
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test('SM_ROOT: the root is the host and not the working directory', () => {
    expect(new Paths().root).toBe('/')
  })

  test('SM_XAPI_URL: the endpoint is the socket under the root', async () => {
    const request = { sessionRef: 'OpaqueRef:s' }
    const { xapi, close } = connectSmXapi({ request, paths: new Paths('/nonexistent'), effects: new Effects('') })
    await expect(xapi.srGetByUuid('u')).rejects.toThrow('/nonexistent/var/lib/xcp/xapi')
    await close()
  })

  test('SM_VHD_UTIL: the tool is the one that fits the root', async () => {
    vi.stubEnv('SM_ROOT', '/nonexistent')
    expect(await chooseVhdUtil(makeSystem())).toBeInstanceOf(EmbeddedVhdUtil)
  })
})
