import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeMethodCall,
  decodeMethodResponse,
  encodeFault,
  encodeMethodCall,
  encodeMethodResponse,
  XmlDate,
  XmlRpcError,
  type XmlInput,
} from '../../../lib/smapi/xmlrpc.ts'

const HEAD = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"
const TAIL = '</param>\n</params>\n</methodResponse>\n'

describe('the bytes of an answer', () => {
  it.each<[XmlInput, string]>([
    ['hello', '<value><string>hello</string></value>\n'],
    ['', '<value><string></string></value>\n'],
    [null, '<value><nil/></value>'],
    [true, '<value><boolean>1</boolean></value>\n'],
    [false, '<value><boolean>0</boolean></value>\n'],
    [3, '<value><int>3</int></value>\n'],
    [-2147483648, '<value><int>-2147483648</int></value>\n'],
    [[], '<value><array><data>\n</data></array></value>\n'],
    [
      ['a', null],
      '<value><array><data>\n<value><string>a</string></value>\n<value><nil/></value></data></array></value>\n',
    ],
    [{}, '<value><struct>\n</struct></value>\n'],
    [
      { 'a&b': '<c>' },
      '<value><struct>\n<member>\n<name>a&amp;b</name>\n<value><string>&lt;c&gt;</string></value>\n</member>\n</struct></value>\n',
    ],
    [new XmlDate('19700101T00:00:00Z'), '<value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value>\n'],
    ['"]]>\'', '<value><string>"]]&gt;\'</string></value>\n'],
    ['a\r\nb\t', '<value><string>a&#13;\nb\t</string></value>\n'],
    ['\0\x1b\ufffe\ud800x', '<value><string>\ufffd\ufffd\ufffd\ufffdx</string></value>\n'],
    ['😀\x7f', '<value><string>😀\x7f</string></value>\n'],
  ])('that carries %j', (value, bytes) => {
    expect(encodeMethodResponse(value)).toBe(HEAD + bytes + TAIL)
  })

  it('that carries a fault', () => {
    expect(encodeFault(44, 'no space <left>')).toBe(
      "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n" +
        '<member>\n<name>faultCode</name>\n<value><int>44</int></value>\n</member>\n' +
        '<member>\n<name>faultString</name>\n<value><string>no space &lt;left&gt;</string></value>\n</member>\n' +
        '</struct></value>\n</fault>\n</methodResponse>\n',
    )
  })

  it.each([1.5, NaN, Infinity, 2147483648, -2147483649])('never carries the number %d', number => {
    expect(() => encodeMethodResponse({ size: number })).toThrow(XmlRpcError)
  })
})

describe('what is encoded', () => {
  const wellFormed = fc.string({ unit: 'binary' }).map(text => text.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/gu, ''))
  const { tree } = fc.letrec<{ tree: XmlInput }>(tie => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      wellFormed,
      fc.boolean(),
      fc.integer({ min: -0x80000000, max: 0x7fffffff }),
      fc.constant(null),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(wellFormed, tie('tree'), { maxKeys: 4 }),
    ),
  }))

  it('decodes to the same value', () => {
    fc.assert(
      fc.property(tree, value => {
        expect(decodeMethodResponse(encodeMethodResponse(value))).toEqual({ value })
        expect(decodeMethodCall(encodeMethodCall('m', [value, 'x']))).toEqual({ method: 'm', params: [value, 'x'] })
      }),
    )
  })

  it('is a readable document whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map(unit => String.fromCharCode(unit)) }),
        text => {
          expect(decodeMethodResponse(encodeFault(1, text))).toHaveProperty('fault.code', 1)
        },
      ),
    )
  })
})
