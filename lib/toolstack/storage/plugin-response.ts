import type { Backend } from './Storage.ts'
import type { XmlNode } from './xml-tree.ts'

/** A plugin's answer has not the form that xapi accepts. */
export class ResponseMismatch extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'ResponseMismatch'
  }
}

export type PluginResponse = { readonly value: XmlNode } | { readonly fault: { code: number; text: string } }

/** Takes an answer apart as strictly as xapi does (spec smapi 3.2). Throws ResponseMismatch. */
export function readResponse(root: XmlNode): PluginResponse {
  if (root.name !== 'methodResponse') throw new ResponseMismatch(`root element ${root.name}`)
  const [content, ...more] = root.children
  if (content === undefined || more.length > 0) throw new ResponseMismatch('methodResponse without one child')
  if (content.name === 'fault') return { fault: readFault(bare(content)) }
  if (content.name !== 'params') throw new ResponseMismatch(`${content.name} in methodResponse`)
  const param = only(content, 'param')
  return { value: only(param, 'value') }
}

/** A text: bare or as `string`. Any other type is refused, numbers too. */
export function readString(value: XmlNode): string {
  const inner = content(value)
  if (inner === undefined) return bare(value).text
  if (inner.name !== 'string' || inner.children.length > 0) throw new ResponseMismatch(`${inner.name} for a string`)
  return inner.text
}

export function readNil(value: XmlNode): void {
  if (content(value)?.name !== 'nil') throw new ResponseMismatch('nothing but nil is expected')
}

export function readStruct(value: XmlNode): Map<string, XmlNode> {
  const members = typed(value, 'struct').children.map((member): [string, XmlNode] => {
    const [name, item, ...more] = member.children
    const isMember = member.name === 'member' && name?.name === 'name' && item?.name === 'value' && more.length === 0
    if (!isMember) throw new ResponseMismatch('a struct holds members of name and value')
    bare(member)
    return [bare(name).text, bare(item)]
  })
  return new Map(members)
}

export function readArray(value: XmlNode): readonly XmlNode[] {
  const data = bare(only(typed(value, 'array'), 'data'))
  if (data.children.some(({ name }) => name !== 'value')) throw new ResponseMismatch('an array holds values')
  return data.children
}

/** A struct whose values are all strings. */
export function readStrings(value: XmlNode): ReadonlyMap<string, string> {
  return new Map([...readStruct(value)].map(([name, item]) => [name, readString(item)]))
}

/** Which disk a command made or changed. */
export interface Location {
  readonly location: string
  readonly uuid: string
}

export function readPlace(value: XmlNode): Location {
  const members = readStrings(value)
  const location = members.get('location')
  const uuid = members.get('uuid')
  if (location === undefined || uuid === undefined) throw new ResponseMismatch('VDI without location or uuid')
  return { location, uuid }
}

/** The answer to vdi_attach; only what says where the disk can be opened is looked at (spec smapi 7.13). */
export function readBackend(value: XmlNode): Backend {
  const members = readStruct(value)
  const nbd = members.get('params_nbd')
  if (nbd === undefined) throw new ResponseMismatch('an attached VDI without params_nbd')
  const params = members.get('params')
  return { params: params === undefined ? undefined : readString(params), params_nbd: readString(nbd) }
}

function readFault(fault: XmlNode): { code: number; text: string } {
  const members = readStruct(only(fault, 'value'))
  const code = members.get('faultCode')
  const text = members.get('faultString')
  if (code === undefined || text === undefined) throw new ResponseMismatch('fault without code or text')
  return { code: readInteger(code), text: readString(text) }
}

function readInteger(value: XmlNode): number {
  const inner = content(value)
  const isInteger = inner !== undefined && ['int', 'i4'].includes(inner.name) && /^-?\d{1,10}$/.test(inner.text)
  const number = isInteger ? Number(inner.text) : NaN
  if (number !== (number | 0)) throw new ResponseMismatch('an int is expected')
  return number
}

/** The typed element in a value; undefined where the value is bare text. */
function content(value: XmlNode): XmlNode | undefined {
  const [inner, ...more] = bare(value).children
  if (inner === undefined) return undefined
  if (more.length > 0 || value.text !== '') throw new ResponseMismatch('a value with more than one content')
  return bare(inner)
}

function typed(value: XmlNode, type: string): XmlNode {
  const inner = content(value)
  if (inner?.name !== type) throw new ResponseMismatch(`${inner?.name ?? 'text'} for a ${type}`)
  if (inner.text !== '') throw new ResponseMismatch(`text in a ${type}`)
  return inner
}

function only(parent: XmlNode, name: string): XmlNode {
  const [child, ...more] = parent.children
  if (child?.name !== name || more.length > 0 || parent.text !== '') {
    throw new ResponseMismatch(`${parent.name} without one ${name}`)
  }
  return child
}

function bare(node: XmlNode): XmlNode {
  if (node.hasAttributes) throw new ResponseMismatch(`attributes on ${node.name}`)
  return node
}
