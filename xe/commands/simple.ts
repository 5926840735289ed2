import { byUuid, type Command } from '../Command.ts'

/** Commands that do one thing to the object whose uuid is given, and answer nothing. */
const calls: readonly (readonly [command: string, className: string, method: string])[] = [
  ['sr-scan', 'SR', 'scan'],
  ['sr-update', 'SR', 'update'],
  ['sr-forget', 'SR', 'forget'],
  ['sr-destroy', 'SR', 'destroy'],
  ['pbd-plug', 'PBD', 'plug'],
  ['pbd-unplug', 'PBD', 'unplug'],
  ['pbd-destroy', 'PBD', 'destroy'],
  ['vdi-destroy', 'VDI', 'destroy'],
  ['vdi-forget', 'VDI', 'forget'],
  ['vdi-update', 'VDI', 'update'],
  ['vdi-enable-cbt', 'VDI', 'enable_cbt'],
  ['vdi-disable-cbt', 'VDI', 'disable_cbt'],
  ['vdi-data-destroy', 'VDI', 'data_destroy'],
  ['vbd-destroy', 'VBD', 'destroy'],
  ['vbd-plug', 'VBD', 'plug'],
  ['vbd-unplug', 'VBD', 'unplug'],
]

export const simpleCommands: readonly (readonly [string, Command])[] = calls.map(([name, className, method]) => [
  name,
  {
    usage: `${name} uuid=UUID`,
    run: async xe => {
      await xe.caller.call(`${className}.${method}`, await byUuid(xe, className, xe.params.text('uuid')))
    },
  },
])
