import type { Ref, StringMap } from '../../xapi/XapiClient.ts'

/** The members of a request; those left out are not sent (spec smapi 2.2). */
export interface PluginRequest {
  readonly host_ref: Ref
  readonly command: string
  readonly args: readonly string[]
  readonly device_config: StringMap
  readonly session_ref?: Ref
  readonly sr_sm_config?: StringMap
  readonly sr_ref?: Ref
  readonly vdi_type?: string
  readonly sr_uuid?: string
  readonly vdi_ref?: Ref
  readonly vdi_location?: string
  readonly vdi_uuid?: string
  readonly driver_params?: StringMap
  readonly vdi_sm_config?: StringMap
  readonly new_uuid?: string
  readonly subtask_of?: Ref
  readonly vdi_on_boot?: string
  readonly vdi_allow_caching?: string
  readonly local_cache_sr?: string
}

const memberOrder: readonly (keyof PluginRequest)[] = [
  ...(['host_ref', 'command', 'args', 'device_config', 'session_ref', 'sr_sm_config', 'sr_ref'] as const),
  ...(['vdi_type', 'sr_uuid', 'vdi_ref', 'vdi_location', 'vdi_uuid', 'driver_params', 'vdi_sm_config'] as const),
  ...(['new_uuid', 'subtask_of', 'vdi_on_boot', 'vdi_allow_caching', 'local_cache_sr'] as const),
]

type Value = string | readonly string[] | StringMap

/** The document that a driver gets as its one argument, byte for byte as xapi writes it (spec smapi 2). */
export function requestDocument(request: PluginRequest): string {
  const members = memberOrder.map((name): [string, Value | undefined] => [name, request[name]])
  return callDocument(request.command, [members.filter((member): member is [string, Value] => member[1] !== undefined)])
}

/** A `methodCall` in xapi's style; a parameter given as members is a struct. */
export function callDocument(method: string, params: readonly (string | readonly [string, Value][])[]): string {
  const values = params.map(param => `<param>${typeof param === 'string' ? valueOf(param) : structOf(param)}</param>`)
  return `<methodCall>${element('methodName', escape(method))}<params>${values.join('')}</params></methodCall>`
}

function valueOf(value: Value): string {
  if (typeof value === 'string') return element('value', escape(value))
  if (isList(value)) return element('value', element('array', element('data', value.map(valueOf).join(''))))
  return structOf(Object.entries(value))
}

function structOf(members: readonly (readonly [string, Value])[]): string {
  const content = members.map(([name, value]) => `<member>${element('name', escape(name))}${valueOf(value)}</member>`)
  return element('value', element('struct', content.join('')))
}

/** xapi writes an element without content as an empty-element tag. */
function element(name: string, content: string): string {
  return content === '' ? `<${name}/>` : `<${name}>${content}</${name}>`
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value)
}

/** Control characters cannot travel in XML and are dropped, except TAB, LF and CR. */
function escape(text: string): string {
  return text
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
