import { allocateBlocks, fillDisk } from '../lib/vhd/fill.ts'
import { SECTOR_SIZE } from '../lib/vhd/layout.ts'
import { usingVhd } from '../lib/vhd/VhdImage.ts'
import { number, required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { orCannotOpen, UsageError } from './failure.ts'
import type { Options } from './getopt.ts'

/** Allocates every block, by default with its content, with `-b` without writing any data (spec vhd 7.12). */
export const fill: Command = {
  options: 'n:bf:t:B',
  usage: 'fill -n NAME [-b [-f FIRST_SECTOR] [-t LAST_SECTOR] [-B]]',
  helpExit: 22,
  run: async (tool, options) => {
    const name = required(options, 'n')
    const { flags, values } = options
    if (!flags.has('b') && (flags.has('B') || values.has('f') || values.has('t'))) throw new UsageError()
    const sectorsPerBlock = await blockLength(tool, name)
    const { files } = tool.system
    if (flags.has('b')) await allocateBlocks(files, name, rangeOf(options, sectorsPerBlock))
    else await fillDisk(files, name)
    return 0
  },
}

async function blockLength({ system }: Tool, name: string): Promise<number> {
  const looking = usingVhd(system.files, name, {}, image => Promise.resolve(image.header.blockSize / SECTOR_SIZE))
  return orCannotOpen(looking, name)
}

/** All blocks that hold one of the sectors; both ends are included. */
function rangeOf(options: Options, sectorsPerBlock: number): { first?: number; end?: number } {
  const first = number(options, 'f')
  const last = number(options, 't')
  return {
    ...(first === undefined ? {} : { first: Math.floor(first / sectorsPerBlock) }),
    ...(last === undefined ? {} : { end: Math.floor(last / sectorsPerBlock) + 1 }),
  }
}
