import { describe, expect, test } from 'vitest'
import { directReason } from '../../../drivers/attachment.ts'

type Config = Readonly<Record<string, string>>

const LICENCE: Config = { restrict_read_caching: 'true' }
const OVERRIDE: Config = { o_direct: 'true' }
const shared = { isSupported: true, isLoneReadOnly: false }
const local = { isSupported: false, isLoneReadOnly: false }
const lone = { isSupported: true, isLoneReadOnly: true }

function sr(restrictions: Config, otherConfig: Config) {
  return {
    context: {
      xapi: {
        poolRestrictions: () => Promise.resolve(restrictions),
        srGetOtherConfig: () => Promise.resolve(otherConfig),
      },
    },
    srRef: () => Promise.resolve('OpaqueRef:sr'),
  }
}

describe('reads of a disk are cached by the host', () => {
  test.each([{}, { restrict_read_caching: 'false' }])('where licence %o and SR allow it', async restrictions => {
    expect(await directReason(sr(restrictions, {}), shared)).toBe('')
    expect(await directReason(sr(restrictions, { o_direct: 'false' }), shared)).toBe('')
  })

  test.each([
    ['LICENSE_RESTRICTION', 'the licence forbids it, whatever else', LICENCE, OVERRIDE, local],
    ['SR_NOT_SUPPORTED', 'the SR has no file system of its own, whatever its configuration', {}, OVERRIDE, local],
    ['RO_WITH_NO_PARENT', 'nobody shares the image of a read-only disk', {}, OVERRIDE, lone],
    ['SR_OVERRIDE', "the SR's configuration says so", {}, OVERRIDE, shared],
  ])('not (%s) where %s', async (reason, _why, restrictions, otherConfig, caching) => {
    expect(await directReason(sr(restrictions, otherConfig), caching)).toBe(reason)
  })
})
