import { openVhd, type VhdImage } from '../lib/vhd/VhdImage.ts'
import { required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { dumpHeads } from './dumpImage.ts'
import { errnoOf, Failed, orSay, UsageError } from './failure.ts'
import type { Options } from './getopt.ts'
import { readBat } from './readBat.ts'
import { READ_ACTIONS } from './readActions.ts'

/** Prints parts of a disk, for people and programs (spec vhd 7.4). */
export const read: Command = {
  options: 'n:pt:b:m:i:aj:d:c:r:R:Be:x',
  usage:
    'read -n NAME [-x] [-p] [-t SECTOR] [-b BLOCK] [-m BLOCK] [-i SECTOR] [-a] [-j BLOCK] [-d BLOCK] [-r SECTOR] ' +
    '[-R BYTE] [-B] [-e SECTOR] [-c COUNT]',
  helpExit: 22,
  run: async (tool, options) => {
    const name = required(options, 'n')
    const actions = READ_ACTIONS.filter(({ flag }) => options.flags.has(flag) || options.values.has(flag))
    if (actions.length === 0) throw new UsageError()
    const image = await openOrDump(tool, name, options)
    try {
      const table = await orSay(readBat(image), errno => `Failed to get bat for ${name}: -${errno}\n`)
      for (const { run } of actions) await run({ tool, image, table, options })
    } finally {
      await image.close()
    }
    return 0
  },
}

async function openOrDump(tool: Tool, name: string, options: Options): Promise<VhdImage> {
  try {
    return await openVhd(tool.system.files, name, { allowPoisoned: true, allowTruncated: true })
  } catch (error) {
    const errno = errnoOf(error)
    await tool.out(`Failed to open ${name}: -${errno}\n\n${name} appears invalid; dumping headers\n\n`)
    const format = (value: number | bigint): string => (options.flags.has('x') ? `0x${value.toString(16)}` : `${value}`)
    await tool.out(await orSay(dumpHeads(tool.system.files, name, format), () => ''))
    throw new Failed(errno, '')
  }
}
