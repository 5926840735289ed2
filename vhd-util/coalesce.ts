import { coalesce as merge } from '../lib/vhd/coalesce.ts'
import { openStorage } from '../lib/vhd/Storage.ts'
import { findParent } from '../lib/vhd/parents.ts'
import { usingVhd } from '../lib/vhd/VhdImage.ts'
import { required } from './arguments.ts'
import type { Command, Tool } from './Command.ts'
import { errnoOf, Failed, orCannotOpen, orSay, UsageError } from './failure.ts'

const EINVAL = 22

/** Merges a disk into its parent (spec vhd 7.8). */
export const coalesce: Command = {
  options: 'n:psao:x:',
  usage: 'coalesce -n NAME [-p] [-s]',
  helpExit: 22,
  run: async (tool, options) => {
    const name = required(options, 'n')
    const { flags, values } = options
    if (flags.has('a') || values.has('o') || values.has('x')) throw new UsageError()
    if (flags.has('s')) await tool.out('opening for sparse writes\n')
    try {
      await requireParent(tool, name)
      const sectors = await mergeWithProgress(tool, name, flags.has('p'))
      await tool.out(`Coalesced ${sectors} sectors`)
      return 0
    } catch (error) {
      const errno = errnoOf(error)
      throw new Failed(errno, `${error instanceof Failed ? error.message : ''}error coalescing: -${errno}\n`)
    }
  },
}

/** Tells apart what stands in the way. */
async function requireParent({ system }: Tool, name: string): Promise<void> {
  const { files } = system
  const finding = usingVhd(files, name, {}, async image => {
    if (!image.isDifferencing) throw new Failed(EINVAL, 'coalescing of non-differencing disks is not supported\n')
    return orSay(findParent({ files }, image), errno => `error finding ${name} parent: -${errno}\n`)
  })
  const parent = await orCannotOpen(finding, name)
  if (parent === undefined) return
  const opening = parent.raw
    ? openStorage(files, parent.path, true).then(storage => storage.close())
    : usingVhd(files, parent.path, { write: true }, () => Promise.resolve())
  await orCannotOpen(opening, parent.path)
}

async function mergeWithProgress(tool: Tool, name: string, progress: boolean): Promise<number> {
  let shown = ''
  let printed = Promise.resolve()
  const onProgress = (done: number, all: number): void => {
    const text = `\r${((all === 0 ? 1 : done / all) * 100).toFixed(2).padStart(6)}%`
    if (text === shown) return
    shown = text
    printed = printed.then(() => tool.out(text))
  }
  const { sectors } = await merge(tool.system.files, name, progress ? { onProgress } : {})
  await printed
  if (progress) await tool.out('\n')
  return sectors
}
