import type { Command, Xe } from '../Command.ts'
import { XeError } from '../failures.ts'
import type { Field, ListedClass } from '../fields.ts'
import { formatMinimal, formatRecord, formatValue } from '../format.ts'
import type { AnyRecord } from '../Tables.ts'

/** `CLASS-list`: the objects of a class, those whose fields have the values that are given. */
export function listCommand(listed: ListedClass): Command {
  return {
    usage: `${listed.prefix}-list [params=FIELD,FIELD|all] [FIELD=VALUE ...] [--minimal]`,
    run: xe => list(xe, listed),
  }
}

async function list(xe: Xe, listed: ListedClass): Promise<void> {
  const columns = columnsOf(xe, listed)
  const found = await matching(xe, listed)
  if (xe.isMinimal) {
    const [first] = columns
    if (first === undefined) return
    const values = found.map(async record => first.read(record, xe.tables))
    await xe.out(formatMinimal(await Promise.all(values)))
    return
  }
  const blocks: string[] = []
  for (const record of found) {
    const shown = columns.map(async field => ({ ...field, value: await field.read(record, xe.tables) }))
    blocks.push(formatRecord(await Promise.all(shown)))
  }
  if (blocks.length > 0) await xe.out(blocks.join('').replace(/\n$/, ''))
}

/** In the order of the class, whatever the order in which they are asked for. */
function columnsOf({ params }: Xe, { fields, columns, prefix }: ListedClass): readonly Field[] {
  const asked = params.find('params')
  if (asked === 'all') return fields
  const names = asked === undefined ? columns : asked.split(',')
  for (const name of names) fieldNamed({ fields, prefix }, name)
  return fields.filter(({ name }) => names.includes(name))
}

async function matching(xe: Xe, listed: ListedClass): Promise<AnyRecord[]> {
  const { tables, params } = xe
  let found = [...(await tables.all(listed.className)).values()].filter(record => listed.shows?.(record) ?? true)
  for (const [key, wanted] of params.pairs) {
    if (key === 'params') continue
    const [name = '', entry] = key.split(':')
    const field = fieldNamed(listed, name)
    const kept: AnyRecord[] = []
    for (const record of found) {
      const value = await field.read(record, tables)
      const isMap = typeof value === 'object' && !Array.isArray(value)
      const actual = entry === undefined || !isMap ? formatValue(value) : (value as Record<string, string>)[entry]
      if (actual === wanted) kept.push(record)
    }
    found = kept
  }
  return found
}

/** Throws XeError for a name that is none. */
export function fieldNamed({ fields, prefix }: Pick<ListedClass, 'fields' | 'prefix'>, name: string): Field {
  const field = fields.find(candidate => candidate.name === name)
  if (field === undefined)
    throw new XeError(`Unknown field '${name}' of ${prefix}; ${prefix}-list params=all shows all`)
  return field
}
