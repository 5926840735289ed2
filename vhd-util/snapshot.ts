import { walkChain } from '../lib/vhd/parents.ts'
import { roundToBlock } from '../lib/vhd/layout.ts'
import { snapshotVhd } from '../lib/vhd/snapshot.ts'
import { megabytes, number, required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { Failed, orSay } from './failure.ts'

const ENOSPC = 28

/** Makes an empty child of a disk, or of its first ancestor with data (spec vhd 7.2). */
export const snapshot: Command = {
  options: 'n:p:S:l:me',
  usage: 'snapshot -n NAME -p PARENT [-m] [-S MB] [-l LIMIT] [-e]',
  helpExit: 0,
  run: async (tool, options) => {
    const name = required(options, 'n')
    const parent = required(options, 'p')
    const parentRaw = options.flags.has('m')
    const room = megabytes(options, 'S')
    const limit = number(options, 'l')
    if (limit !== undefined && limit > 0 && !parentRaw) await requireDepthBelow(tool, parent, limit)
    await snapshotVhd(tool.system, name, parent, {
      parentRaw,
      exactParent: options.flags.has('e'),
      ...(room === undefined ? {} : { maxSize: roundToBlock(room) }),
    })
    return 0
  },
}

async function requireDepthBelow({ system }: Tool, parent: string, limit: number): Promise<void> {
  const walk = walkChain(system, parent, {}, () => Promise.resolve(true))
  const { length } = await orSay(walk, errno => `error checking snapshot depth: -${errno}\n`)
  if (length + 1 > limit) {
    throw new Failed(ENOSPC, `snapshot depth exceeded: current depth: ${length}, limit: ${limit}\n`)
  }
}
