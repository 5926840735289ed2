import { method, type ApiMethod } from './method.ts'

const pluginCall = { host: 'ref', plugin: 'string', fn: 'string', args: 'map' } as const

/** Calls on hosts (spec smapi 10). */
export const hostMethods: readonly ApiMethod[] = [
  method(['host.call_plugin', pluginCall, 'string'], (call, { host, plugin, fn, args }) => {
    call.services.store.get('host', host)
    return call.services.hostPlugins.call({ host, plugin, fn, args })
  }),
]
