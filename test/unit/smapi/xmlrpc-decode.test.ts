import { describe, expect, it } from 'vitest'
import { decodeMethodCall, decodeMethodResponse, XmlDate, XmlRpcError } from '../../../lib/smapi/xmlrpc.ts'
import { callWith, DISK, example } from './fixtures.ts'

function decodeValue(content: string): unknown {
  return decodeMethodCall(callWith(content)).params[0]
}

describe('a value', () => {
  it.each([
    ['', ''],
    ['plain', 'plain'],
    ['  two blanks before, one after ', '  two blanks before, one after '],
    ['   ', '   '],
    ['\n\t', '\n\t'],
    ['a\r\nb\rc', 'a\nb\nc'],
    ['a&#13;b', 'a\rb'],
    ['&lt;&gt;&amp;&quot;&apos;', '<>&"\''],
    ['&#65;&#x1F600;', 'A😀'],
    ['a<![CDATA[<b> & ]]>c', 'a<b> & c'],
    ['<![CDATA[  ]]>', '  '],
    ['a<!-- not this -->b', 'ab'],
    ['<string>typed</string>', 'typed'],
    ['<string> </string>', ' '],
    ['<string/>', ''],
    ['\n  <string>typed</string>\n', 'typed'],
    ['<int>-3</int>', -3],
    ['<i4>2147483647</i4>', 2147483647],
    ['<i8>9007199254740991</i8>', 9007199254740991],
    ['<double>-1.5e3</double>', -1500],
    ['<boolean>1</boolean>', true],
    ['<boolean>0</boolean>', false],
    ['<nil/>', null],
    ['<base64>w6R\n6</base64>', 'äz'],
    ['<struct/>', {}],
    ['<struct> </struct>', {}],
    ['<array><data/></array>', []],
    ['<array>\n<data>\n<value> a</value>\n<value/></data></array>', [' a', '']],
  ])('written %j reads %j', (content, value) => {
    expect(decodeValue(content)).toEqual(value)
  })

  it('keeps a date as text', () => {
    const date = decodeValue('<dateTime.iso8601>20250102T03:04:05Z</dateTime.iso8601>')
    expect(date).toBeInstanceOf(XmlDate)
    expect(date).toHaveProperty('text', '20250102T03:04:05Z')
  })

  it('keeps text longer than the buffers of the XML reader', () => {
    const long = 'ä<b>'.repeat(50_000)
    expect(decodeValue(long.replaceAll('<', '&lt;'))).toBe(long)
  })

  it.each([
    'text<int>3</int>',
    '<int>3</int><int>4</int>',
    '<int>3</int><string>4</string>',
    '<int>three</int>',
    '<int/>',
    '<i8>9007199254740993</i8>',
    '<double>1e999</double>',
    '<double>NaN</double>',
    '<boolean>true</boolean>',
    '<base64>w6R6=</base64>',
    '<base64>/w==</base64>',
    '<value/>',
    '<data/>',
    '<array/>',
    '<array><data/><data/></array>',
    '<array><data>text</data></array>',
    '<struct><value/></struct>',
    '<struct><member><name>a</name></member></struct>',
    '<struct><member><name>a</name><name>b</name><value/></member></struct>',
    '<struct><member><name><int>1</int></name><value/></member></struct>',
    '<cdata/>',
    '<_>text</_>',
    '<constructor/>',
  ])('%s is refused', content => {
    expect(() => decodeValue(content)).toThrow(XmlRpcError)
  })
})

describe('a struct', () => {
  const member = (name: string, value: string) => `<member><name>${name}</name><value>${value}</value></member>`

  it('may have a value before its name', () => {
    expect(decodeValue('<struct><member><value>1</value><name>a</name></member></struct>')).toEqual({ a: '1' })
  })

  it('keeps the last of duplicate members', () => {
    expect(decodeValue(`<struct>${member('a', '1')}${member('b', '2')}${member('a', '3')}</struct>`)).toEqual({
      a: '3',
      b: '2',
    })
  })

  it('takes any member name without harm to other objects', () => {
    const inner = `<struct>${member('polluted', 'yes')}</struct>`
    const struct = decodeValue(
      `<struct>${member('__proto__', inner)}${member('constructor', 'c')}${member('', 'e')}</struct>`,
    )
    expect(Object.entries(struct as object).map(([name]) => name)).toEqual(['__proto__', 'constructor', ''])
    expect({}).not.toHaveProperty('polluted')
    expect((struct as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('a document', () => {
  it.each([
    ['nothing', ''],
    ['no XML', 'this is not xml'],
    ['an unclosed element', '<methodCall>'],
    ['crossed elements', '<methodCall><params></methodCall></params>'],
    ['another root element', '<methodResponse/>'],
    ['text after the root element', `${callWith('a')}more`],
    ['a second root element', callWith('a') + callWith('b')],
    ['a started tag after the root element', `${callWith('a')}<`],
    ['no method name', '<methodCall><params/></methodCall>'],
    ['a blank method name', '<methodCall><methodName> </methodName></methodCall>'],
    ['a DOCTYPE', `<!DOCTYPE methodCall>${callWith('a')}`],
    ['an entity of its own', `<!DOCTYPE a [<!ENTITY b "c">]>${callWith('&b;')}`],
    ['an HTML entity', callWith('&nbsp;')],
    ['an entity named like an object property', callWith('&constructor;')],
    ['NUL', callWith('\0')],
    ['a reference to NUL', callWith('&#0;')],
    ['a control character', callWith('\x1b')],
    ['a reference to a control character', callWith('&#x1b;')],
    ['U+FFFE', callWith('\ufffe')],
    ['a reference to U+FFFF', callWith('&#xFFFF;')],
    ['a lone surrogate', callWith('\ud800')],
    ['a reference to a surrogate', callWith('&#xDFFF;')],
    ['an unescaped ampersand', callWith('a & b')],
    ['depth without end', callWith('<array><data><value>'.repeat(5000) + '</value></data></array>'.repeat(5000))],
  ])('with %s is refused', (_what, document) => {
    expect(() => decodeMethodCall(document)).toThrow(XmlRpcError)
  })

  it.each([
    ['an XML declaration', `<?xml version='1.0'?>\r\n${callWith('a')}\r\n`],
    ['comments around the root', `<!-- a -->${callWith('a')}<!-- b -->`],
    ['a byte order mark', `\ufeff${callWith('a')}`],
    ['attributes', callWith('a').replace('<param>', '<param x="1">')],
  ])('with %s is accepted', (_what, document) => {
    expect(decodeMethodCall(document)).toEqual({ method: 'sr_scan', params: ['a'] })
  })

  it('without parameters has none', () => {
    expect(decodeMethodCall('<methodCall><methodName>m</methodName></methodCall>').params).toEqual([])
    expect(decodeMethodCall('<methodCall><methodName>m</methodName><params/></methodCall>').params).toEqual([])
  })

  it('longer than the limit is refused, by bytes and not characters', () => {
    const document = callWith('ä'.repeat(100))
    const bytes = Buffer.byteLength(document)
    expect(decodeMethodCall(document, bytes).params).toEqual(['ä'.repeat(100)])
    expect(() => decodeMethodCall(document, bytes - 1)).toThrow(XmlRpcError)
  })
})

describe('an answer', () => {
  it.each<[string, unknown]>([
    ['vdi-create-response', { location: DISK, uuid: DISK }],
    ['vdi-revert-response', null],
    ['sr-probe-response', expect.stringContaining('<SRlist><SR><UUID>')],
    ['driver-info-response', expect.objectContaining({ name: 'Local Path VHD' })],
    ['vdi-attach-response', expect.objectContaining({ o_direct: true, o_direct_reason: 'SR_NOT_SUPPORTED' })],
  ])('in the form of the example %s is read', (name, value) => {
    expect(decodeMethodResponse(example(name))).toEqual({ value })
  })

  it('that is a fault has its code and text', () => {
    expect(decodeMethodResponse(example('fault'))).toEqual({
      fault: { code: 38, message: 'The driver does not offer this operation. [opterr=raw VDI]' },
    })
  })

  it.each([
    '<methodResponse/>',
    '<methodResponse><params/></methodResponse>',
    '<methodResponse><params><param><value/></param><param><value/></param></params></methodResponse>',
    '<methodResponse><fault><value><struct/></value></fault></methodResponse>',
    '<methodResponse><fault><value>text</value></fault></methodResponse>',
    example('fault').replace('</methodResponse>', '<params><param><value/></param></params></methodResponse>'),
  ])('of another form is refused', document => {
    expect(() => decodeMethodResponse(document)).toThrow(XmlRpcError)
  })
})
