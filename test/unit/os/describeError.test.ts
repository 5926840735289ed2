import { describe, expect, test } from 'vitest'
import { describeError } from '../../../lib/os/describeError.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'

describe('what a log says of a failure', () => {
  test('is where it happened, and every cause in turn', () => {
    const disk = new Error('ENOENT: no such file')
    const text = describeError(new SmError('FileSRCreate', undefined, { cause: new Error('mkdir', { cause: disk }) }))
    expect(text).toMatch(
      /^SmError: [^]*describeError\.test[^]*\ncaused by: Error: mkdir\n[^]*\ncaused by: Error: ENOENT/,
    )
  })

  test('ends where causes go round in a circle', () => {
    const error = new Error('one')
    error.cause = new Error('two', { cause: error })
    expect(describeError(error).match(/^(caused by: )?Error: \w+/gm)).toEqual(['Error: one', 'caused by: Error: two'])
  })

  test.each([
    ['text', 'text'],
    [undefined, ''],
    [{ a: 1 }, '[object Object]'],
  ])('of %j, which is no error, is %j', (thrown, text) => {
    expect(describeError(thrown)).toBe(text)
  })
})
