import { repairFooters } from '../lib/vhd/modify.ts'
import { openVhd } from '../lib/vhd/VhdImage.ts'
import { required } from './arguments.ts'
import type { Command } from './Command.ts'
import { orCannotOpen } from './failure.ts'

/** Rewrites both footers from a valid one, with `-b` from the copy at 0 alone (spec vhd 7.11). */
export const repair: Command = {
  options: 'n:b',
  usage: 'repair -n NAME [-b]',
  helpExit: 22,
  run: async ({ system }, options) => {
    const name = required(options, 'n')
    const opening = openVhd(system.files, name, { write: true, backupFooter: options.flags.has('b') })
    const image = await orCannotOpen(opening, name)
    await repairFooters(image, system.newUuid).finally(() => image.close())
    return 0
  },
}
