import { createDisk, createFixedDisk } from '../lib/vhd/create.ts'
import { asVhdError } from '../lib/vhd/errors.ts'
import { roundToBlock } from '../lib/vhd/layout.ts'
import { megabytes, required } from './arguments.ts'
import type { Command } from './Command.ts'
import { errnoOf, Failed, UsageError } from './failure.ts'

const EINVAL = 22

/** Failures of opening the new file, which alone are reported. */
const CANNOT_OPEN: ReadonlySet<number> = new Set([2, 13, 20, 21, 30, 36, 40])

/** Makes an empty disk (spec vhd 7.1). */
export const create: Command = {
  options: 'n:s:S:r',
  usage: 'create -n NAME -s MB [-S MB] [-r]',
  helpExit: 22,
  run: async ({ system }, options) => {
    const name = required(options, 'n')
    const size = megabytes(options, 's')
    const room = megabytes(options, 'S')
    if (size === undefined && room === undefined) throw new UsageError()
    if (room !== undefined && room < (size ?? 0)) {
      throw new Failed(EINVAL, 'Error: <-S size> must be greater than <-s size>\n')
    }
    const disk = {
      path: name,
      size: roundToBlock(size ?? 0),
      uuid: system.newUuid(),
      now: system.now(),
      ...(room === undefined ? {} : { maxSize: roundToBlock(room) }),
    }
    const make = options.flags.has('r') ? createFixedDisk : createDisk
    try {
      await asVhdError(name, () => make(system.files, disk))
    } catch (error) {
      const errno = errnoOf(error)
      throw new Failed(errno, CANNOT_OPEN.has(errno) ? `${name}: failed to create: -${errno}\n` : '', 'err')
    }
    return 0
  },
}
