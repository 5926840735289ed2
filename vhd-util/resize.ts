import { growInPlace } from '../lib/vhd/resize.ts'
import { resizeDisk } from '../lib/vhd/resize.ts'
import { roundToBlock } from '../lib/vhd/layout.ts'
import { isErrno } from '../lib/os/files.ts'
import { usingVhd, type VhdImage } from '../lib/vhd/VhdImage.ts'
import { megabytes, required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { errnoOf, Failed, orCannotOpen, UsageError } from './failure.ts'
import { failPoint } from './failPoint.ts'

const EINVAL = 22
const ENOSYS = 38

/** Grows the virtual size, either within the tables or, with a journal, with the tables (spec vhd 7.9). */
export const resize: Command = {
  options: 'n:s:j:f',
  usage: 'resize -n NAME -s MB {-j JOURNAL | -f}',
  helpExit: 22,
  run: async (tool, options) => {
    const name = required(options, 'n')
    const size = megabytes(options, 's')
    const journal = options.values.get('j')
    const fast = options.flags.has('f')
    if (size === undefined || fast === (journal !== undefined)) throw new UsageError()
    if (journal === undefined) await resizeFast(tool, name, roundToBlock(size))
    else await resizeJournaled(tool, name, { size: roundToBlock(size), journal })
    return 0
  },
}

async function resizeFast({ system }: Tool, name: string, size: number): Promise<void> {
  const change = usingVhd(system.files, name, { write: true }, async image => {
    requireOwn(image, name)
    if (size < image.virtualSize) {
      throw new Failed(EINVAL, `${name}: size (${size}) < curr size (${image.virtualSize})\n`)
    }
    if (image.isFixed || size > image.header.maxEntries * image.header.blockSize) throw new Failed(EINVAL, '')
    if (size > image.virtualSize) await growInPlace(image, size)
  })
  await orCannotOpen(change, name)
}

/** What does not need the journal is refused, or done, without one. */
async function resizeJournaled(
  tool: Tool,
  name: string,
  { size, journal }: { readonly size: number; readonly journal: string },
): Promise<void> {
  const { files } = tool.system
  const check = usingVhd(files, name, {}, image => {
    requireOwn(image, name)
    if (image.isFixed) throw new Failed(EINVAL, `creating journal failed: -${EINVAL}\n`)
    if (size >= image.virtualSize) return Promise.resolve()
    throw new Failed(ENOSYS, `dynamic shrink not fully implemented\nresize failed: -${ENOSYS}\n`)
  })
  await orCannotOpen(check, name)
  try {
    await resizeDisk(files, name, size, { journal, at: failPoint(tool) })
  } catch (error) {
    if (error instanceof Failed) throw error
    const errno = errnoOf(error)
    throw new Failed(errno, `${isErrno(error, 'EEXIST') ? 'creating journal' : 'resize'} failed: -${errno}\n`)
  }
}

function requireOwn({ footer }: VhdImage, name: string): void {
  if (footer.raw.toString('latin1', 28, 31) === 'tap') return
  throw new Failed(EINVAL, `${name} not created by xen; resize not supported\n`)
}
