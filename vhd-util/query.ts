import { endFooterOffset } from '../lib/vhd/footers.ts'
import { FOOTER_SIZE } from '../lib/vhd/layout.ts'
import { readMarker } from '../lib/vhd/marker.ts'
import { findParent, firstLocatorText, walkChain } from '../lib/vhd/parents.ts'
import { type VhdImage, openVhd } from '../lib/vhd/VhdImage.ts'
import { required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { errnoOf, orCannotOpen } from './failure.ts'
import type { Options } from './getopt.ts'
import { readBat } from './readBat.ts'

const MIB = 1024 * 1024

interface Query {
  readonly tool: Tool
  readonly name: string
  readonly image: VhdImage
  readonly options: Options
}

/** One property: its line, and what to print where it cannot be told. */
interface Property {
  readonly flag: string
  readonly line: (query: Query) => Promise<string>
  readonly failure: (errno: number) => string
}

/** In the order of printing, whatever the order of the options (spec vhd 7.3). */
const PROPERTIES: readonly Property[] = [
  { flag: 'v', line: virtualSize, failure: errno => `failed to get virtual size: -${errno}` },
  { flag: 's', line: physicalSize, failure: errno => `failed to get physical size: -${errno}` },
  { flag: 'p', line: parent, failure: () => 'query failed' },
  { flag: 'f', line: hidden, failure: errno => `error checking 'hidden' field: -${errno}` },
  { flag: 'm', line: marker, failure: errno => `error checking 'marker' field: -${errno}` },
  { flag: 'd', line: depth, failure: errno => `error checking chain depth: -${errno}` },
  { flag: 'a', line: allocated, failure: errno => `error reading bat: -${errno}` },
  { flag: 'S', line: maxSize, failure: errno => `error reading header: -${errno}` },
]

export const query: Command = {
  options: 'n:vspufmdaS',
  usage: 'query -n NAME [-v] [-s] [-p [-u]] [-f] [-m] [-d] [-a] [-S]',
  helpExit: 0,
  run: async (tool, options) => {
    const name = required(options, 'n')
    const opening = openVhd(tool.system.files, name, { allowPoisoned: true, allowTruncated: true })
    const image = await orCannotOpen(opening, name)
    return printAll({ tool, name, image, options }).finally(() => image.close())
  },
}

/** All lines are printed; the exit code is that of the first one that failed. */
async function printAll(query: Query): Promise<number> {
  let exitCode = 0
  const lines: string[] = []
  for (const { line, failure } of PROPERTIES.filter(({ flag }) => query.options.flags.has(flag))) {
    try {
      lines.push(await line(query))
    } catch (error) {
      const errno = errnoOf(error)
      lines.push(failure(errno))
      if (exitCode === 0) exitCode = errno
    }
  }
  await query.tool.out(lines.map(line => `${line}\n`).join(''))
  return exitCode
}

async function virtualSize({ image }: Query): Promise<string> {
  return Promise.resolve(String(Math.floor(image.virtualSize / MIB)))
}

/** What the image needs at least: its data and a footer, wherever the footer of a device lies (spec vhd 5). */
async function physicalSize({ image }: Query): Promise<string> {
  const end = image.isFixed
    ? await endFooterOffset(image)
    : image.endOfData(await image.readTable(), await image.readBatmap())
  return String(end + FOOTER_SIZE)
}

async function parent({ tool, name, image, options }: Query): Promise<string> {
  if (!image.isDifferencing) return `${name} has no parent`
  if (options.flags.has('u')) return firstLocatorText(image)
  const found = await findParent(tool.system, image)
  return found?.path ?? `${name} has no parent`
}

async function hidden({ image }: Query): Promise<string> {
  return Promise.resolve(`hidden: ${image.footer.hidden}`)
}

async function marker({ image }: Query): Promise<string> {
  return `marker: ${await readMarker(image)}`
}

async function depth({ tool, name }: Query): Promise<string> {
  const chain = await walkChain(tool.system, name, { allowPoisoned: true, allowTruncated: true }, () =>
    Promise.resolve(true),
  )
  return `chain depth: ${chain.length}`
}

async function allocated({ image }: Query): Promise<string> {
  return String((await readBat(image)).allocatedCount())
}

async function maxSize({ image }: Query): Promise<string> {
  if (image.isFixed) return Promise.resolve('0')
  const { maxEntries, blockSize } = image.header
  return Promise.resolve(String(Math.floor((maxEntries * blockSize) / MIB)))
}
