import { keyOf, readBatmapHeader } from '../lib/vhd/Batmap.ts'
import { batmapHeaderOffset } from '../lib/vhd/header.ts'
import { writeKeyHash } from '../lib/vhd/modify.ts'
import { openVhd, type VhdImage } from '../lib/vhd/VhdImage.ts'
import { required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { errnoOf, Failed, orSay, UsageError } from './failure.ts'
import type { Options } from './getopt.ts'

const NONCE = { start: 1, end: 33 } as const

/** Prints or sets the hash of the encryption key (spec vhd 7.14). */
export const key: Command = {
  options: 'n:psH:N:',
  usage: 'key -n NAME {-p | -s -H HASH [-N NONCE]}',
  helpExit: 0,
  run: async (tool, options) => {
    const name = required(options, 'n')
    const set = options.flags.has('s')
    if (set === options.flags.has('p')) throw new UsageError()
    if (set) required(options, 'H')
    const opening = openVhd(tool.system.files, name, { write: set, allowTruncated: !set })
    const image = await orSay(opening, errno => `failed to open ${name}: -${errno}\n`, 'err')
    return (set ? setKey(image, options) : printKey(tool, image)).finally(() => image.close())
  },
}

async function printKey(tool: Tool, image: VhdImage): Promise<number> {
  const found = await orSay(readKey(image), errno => `reading key failed: -${errno}\n`, 'err')
  await tool.out(`${found ?? 'none'}\n`)
  return 0
}

async function readKey(image: VhdImage): Promise<string | undefined> {
  if (image.isFixed || !image.footer.hasBatmap) return undefined
  const entry = keyOf(await readBatmapHeader(image.storage, batmapHeaderOffset(image.header)))
  return entry === undefined
    ? undefined
    : `${entry.toString('hex', NONCE.start, NONCE.end)} ${entry.toString('hex', NONCE.end)}`
}

async function setKey(image: VhdImage, options: Options): Promise<number> {
  if (!image.isFixed && !(await image.readTable()).isEmpty) {
    throw new Failed(22, "vhd_util_set_key: can't save key hashes for non-empty vhds\nsetting key failed: -22\n", 'err')
  }
  try {
    await writeKeyHash(image, required(options, 'H'), options.values.get('N'))
  } catch (error) {
    const errno = errnoOf(error)
    throw new Failed(errno, `setting key failed: -${errno}\n`, 'err')
  }
  return 0
}
