import { expect, it } from 'vitest'
import { parseXml } from '../../../lib/smapi/xml.ts'
import { XmlRpcError } from '../../../lib/smapi/xmlrpc.ts'

it.each(['<a>&x;<b/></a>', '<a><<b/></a>', '<a></c><b/></a>'])(
  'nothing is read after the first mistake of %s',
  document => {
    const asked: string[] = []
    class Vocabulary extends Set<string> {
      override has(name: string): boolean {
        asked.push(name)
        return true
      }
    }
    expect(() => parseXml(document, new Vocabulary(), 1000)).toThrow(XmlRpcError)
    expect(asked).toEqual(['a'])
  },
)
