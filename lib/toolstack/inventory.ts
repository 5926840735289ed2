import path from 'node:path'
import type { Paths } from '../os/paths.ts'
import type { System } from '../os/system.ts'

/** Who this host is to its plugins (spec smapi 9.4). */
export interface Inventory {
  readonly hostUuid: string
  readonly controlDomainUuid: string
}

/**
 * Reads the host's inventory. Under `$SM_ROOT` missing entries are made up and written; a real host's file is never
 * touched, and Error is thrown where it lacks one.
 */
export async function readInventory(system: System, paths: Paths): Promise<Inventory> {
  const { files } = system
  const text = (await files.exists(paths.inventory)) ? await files.readText(paths.inventory) : ''
  const known = parseInventory(text)
  const missing = ['INSTALLATION_UUID', 'CONTROL_DOMAIN_UUID'].filter(name => !known.has(name))
  if (missing.length > 0) {
    if (paths.isHost) throw new Error(`${paths.inventory} has no ${missing.join(', ')}`)
    for (const name of missing) known.set(name, system.newUuid())
    const added = missing.map(name => `${name}='${known.get(name) ?? ''}'\n`).join('')
    await files.makeDirectory(path.dirname(paths.inventory), { recursive: true })
    await files.writeDurably(paths.inventory, text === '' || text.endsWith('\n') ? text + added : `${text}\n${added}`)
  }
  return {
    hostUuid: known.get('INSTALLATION_UUID') ?? '',
    controlDomainUuid: known.get('CONTROL_DOMAIN_UUID') ?? '',
  }
}

function parseInventory(text: string): Map<string, string> {
  const entries = [...text.matchAll(/^([A-Z_0-9]+)='([^'\n]*)'[ \t\r]*$/gm)]
  return new Map(entries.map(([, name = '', value = '']): [string, string] => [name, value]))
}
