import { revertResizeOf } from '../lib/vhd/revertResize.ts'
import { required } from './arguments.ts'
import type { Command } from './Command.ts'
import { orSay } from './failure.ts'

/** Undoes an interrupted `resize -j` (spec vhd 7.10). */
export const revert: Command = {
  options: 'n:j:',
  usage: 'revert -n NAME -j JOURNAL',
  helpExit: 22,
  run: async ({ system }, options) => {
    const name = required(options, 'n')
    const journal = required(options, 'j')
    await orSay(revertResizeOf(system.files, name, journal), errno => `opening journal failed: -${errno}\n`)
    return 0
  },
}
