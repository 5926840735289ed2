import { expect, it } from 'vitest'
import { hasIllegalXmlChar } from '../../../lib/smapi/labels.ts'

it.each([
  0x0, 0x8, 0xb, 0xd, 0x1f, 0x7f, 0x84, 0x86, 0x9f, 0xd800, 0xdfff, 0xfdd0, 0xfddf, 0xfffe, 0xffff, 0x1fffe, 0x10ffff,
])('a label with U+%s is refused wherever it stands', code => {
  const character = String.fromCodePoint(code)
  expect(hasIllegalXmlChar(character)).toBe(true)
  expect(hasIllegalXmlChar(`disk 😀${character}`)).toBe(true)
})

it.each([0x9, 0xa, 0x20, 0x7e, 0x85, 0xa0, 0xd7ff, 0xe000, 0xfdcf, 0xfde0, 0xfffd, 0x10000, 0x1fffd, 0x10fffd])(
  'a label with U+%s is accepted',
  code => {
    expect(hasIllegalXmlChar(`disk ${String.fromCodePoint(code)}`)).toBe(false)
  },
)

it('an empty label is accepted', () => {
  expect(hasIllegalXmlChar('')).toBe(false)
})
