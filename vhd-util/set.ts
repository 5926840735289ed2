import { writeMarker } from '../lib/vhd/marker.ts'
import { setHiddenByte } from '../lib/vhd/modify.ts'
import { openVhd, type VhdImage } from '../lib/vhd/VhdImage.ts'
import { required } from './arguments.ts'
import type { Command } from './Command.ts'
import { orCannotOpen, orSay, UsageError } from './failure.ts'

const FIELDS: Readonly<Record<string, (image: VhdImage, value: number) => Promise<void>>> = {
  hidden: setHiddenByte,
  marker: writeMarker,
}

/** Changes one field of a disk (spec vhd 7.5). */
export const set: Command = {
  options: 'n:f:v:',
  usage: 'set -n NAME -f {hidden | marker} -v 0..255',
  helpExit: 22,
  run: async ({ system }, options) => {
    const name = required(options, 'n')
    const field = required(options, 'f')
    const value = leadingNumber(required(options, 'v'))
    const change = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined
    if (change === undefined) throw new UsageError(`invalid field ${field}`)
    if (value < 0 || value > 255) throw new UsageError(`invalid value ${value}`)
    const image = await orCannotOpen(openVhd(system.files, name, { write: true }), name)
    await orSay(change(image, value), errno => `failed to set ${field}: -${errno}\n`).finally(() => image.close())
    return 0
  },
}

/** As atoi(3): what is no number counts as 0. */
function leadingNumber(text: string): number {
  const [digits] = /^\s*[-+]?\d+/.exec(text) ?? []
  return digits === undefined ? 0 : Number(digits)
}
