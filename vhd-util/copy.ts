import { copyDisk } from '../lib/vhd/copy.ts'
import { required } from './arguments.ts'
import type { Command } from './Command.ts'
import { Failed, orSay } from './failure.ts'

const ENOSYS = 38

/** Copies the blocks of a disk into a new one (spec vhd 7.14). Encrypted copies are not supported. */
export const copy: Command = {
  options: 'n:N:k:E',
  usage: 'copy -n NAME -N NEW',
  helpExit: 22,
  run: async ({ system }, options) => {
    const name = required(options, 'n')
    const target = required(options, 'N')
    if (options.values.has('k') || options.flags.has('E')) throw new Failed(ENOSYS, 'encryption is not supported\n')
    await orSay(copyDisk(system, name, target), errno => `error copying ${name}: -${errno}\n`)
    return 0
  },
}
