import { host, snapshot, task, template, vbd, vm } from '../classes/machines.ts'
import { pbd, sm, sr } from '../classes/storage.ts'
import { vdi } from '../classes/vdi.ts'
import type { Command } from '../Command.ts'
import { listCommand } from './list.ts'
import { paramCommands } from './param.ts'
import { simpleCommands } from './simple.ts'
import { srCommands } from './sr.ts'
import { vdiRevert } from './vdi-revert.ts'
import { vdiCommands } from './vdi.ts'
import { vmCommands } from './vm.ts'

const classes = [sr, pbd, vdi, vm, snapshot, template, vbd, sm, host, task]

/** Every command by its name. */
export const commands: ReadonlyMap<string, Command> = new Map([
  ['vdi-revert', vdiRevert],
  ...vdiCommands,
  ...srCommands,
  ...vmCommands,
  ...simpleCommands,
  ...classes.map(listed => [`${listed.prefix}-list`, listCommand(listed)] as const),
  ...classes.flatMap(paramCommands),
])
