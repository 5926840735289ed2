import { isObject } from '../../xapi/protocol.ts'
import { isOfType } from '../schema/field.ts'
import { fieldTypeOf, type RecordOf } from '../schema/schema.ts'

/** The fields of a VM as text, for `snapshot_metadata`; only the toolstack that wrote it reads it. */
export function serialiseVm(vm: RecordOf<'VM'>): string {
  return JSON.stringify(vm)
}

/** The fields that a text holds; none where it is not one of ours. */
export function parseVm(text: string): Partial<RecordOf<'VM'>> {
  const fields = parse(text)
  if (!isObject(fields)) return {}
  const known = Object.entries(fields).filter(([name, value]) => {
    const type = fieldTypeOf('VM', name)
    return type !== undefined && isOfType(value, type)
  })
  return Object.fromEntries(known)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
