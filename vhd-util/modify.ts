import { dropData, relink, setPhysicalSize } from '../lib/vhd/modify.ts'
import { openVhd, type VhdImage } from '../lib/vhd/VhdImage.ts'
import { number, required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { orCannotOpen, orSay } from './failure.ts'
import type { Options } from './getopt.ts'
import { failPoint } from './failPoint.ts'

/** Drops the data, moves the end footer, changes the parent, in this order (spec vhd 7.6). */
export const modify: Command = {
  options: 'n:zs:p:m',
  usage: 'modify -n NAME [-z] [-s BYTES] [-p PARENT [-m]]',
  helpExit: 22,
  run: async (tool, options) => {
    const name = required(options, 'n')
    number(options, 's')
    const image = await orCannotOpen(openVhd(tool.system.files, name, { write: true }), name)
    await change(tool, image, options).finally(() => image.close())
    return 0
  },
}

async function change(tool: Tool, image: VhdImage, options: Options): Promise<void> {
  if (options.flags.has('z')) await orSay(dropData(image), errno => `failed to zero VHD: -${errno}\n`)
  const size = number(options, 's')
  if (size !== undefined) {
    await orSay(setPhysicalSize(image, size), errno => `failed to set physical size to ${size}: -${errno}\n`)
  }
  const parent = options.values.get('p')
  if (parent === undefined) return
  const link = { parent, raw: options.flags.has('m'), at: failPoint(tool) }
  await orSay(relink(tool.system, image, link), errno => `failed to set parent to '${parent}': -${errno}\n`)
}
