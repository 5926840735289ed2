import path from 'node:path'
import { CommandError, type Run } from '../../../lib/os/run.ts'
import type { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { inspectVhd } from '../../../lib/vhd/inspect.ts'
import { VhdError, type VhdScanError, type VhdScanRow } from '../../../lib/vhd/VhdUtil.ts'
import { files, MIB } from './support.ts'

/** A `run` that answers as blktap's `vhd-util` does (spec vhd 7), and the command lines it was given. */
export function fakeVhdUtil(embedded: EmbeddedVhdUtil): { readonly run: Run; readonly calls: string[][] } {
  const calls: string[][] = []
  const run: Run = async argv => {
    calls.push([...argv])
    const [, command = '', ...rest] = argv
    try {
      const stdout = await answer(embedded, command, rest)
      return { exitCode: 0, stdout, stderr: '' }
    } catch (error) {
      if (!(error instanceof VhdError)) throw error
      throw new CommandError(argv, error.errno, '', error.message)
    }
  }
  return { run, calls }
}

async function answer(embedded: EmbeddedVhdUtil, command: string, args: readonly string[]): Promise<string> {
  const option = (flag: string): string => args[args.indexOf(flag) + 1] ?? ''
  const has = (flag: string): boolean => args.includes(flag)
  const file = option('-n')
  switch (command) {
    case 'create':
      await embedded.create(file, Number(option('-s')) * MIB, has('-S') ? { maxSize: Number(option('-S')) * MIB } : {})
      return ''
    case 'snapshot':
      await embedded.snapshot(file, option('-p'), { parentRaw: has('-m'), exactParent: has('-e') })
      return ''
    case 'query':
      return query(embedded, file, args)
    case 'read':
      return `Disk type           : ${(await embedded.hasParent(file)) ? 'Differencing' : 'Dynamic'} hard disk\n`
    case 'set':
      await embedded.setHidden(file, option('-v') === '1')
      return ''
    case 'modify':
      await (has('-z') ? embedded.killData(file) : embedded.setParent(file, option('-p'), { parentRaw: has('-m') }))
      return ''
    case 'resize':
      await embedded.resize(file, Number(option('-s')) * MIB, has('-j') ? option('-j') : '/nonexistent/journal')
      return ''
    case 'revert':
      await embedded.revertResize(file, option('-j'))
      return ''
    case 'check':
      await embedded.check(file, { allowMissingEndFooter: has('-i') })
      return `${file} is valid\n`
    case 'repair':
      await embedded.repair(file)
      return ''
    case 'key':
      await embedded.setKeyHash(file, option('-H'))
      return ''
    case 'scan':
      return scan(embedded, option('-m'), has('-c'))
    default:
      throw new Error(`no such command: ${command}`)
  }
}

async function query(embedded: EmbeddedVhdUtil, file: string, args: readonly string[]): Promise<string> {
  if (args.includes('-s')) return `${await embedded.physicalSize(file)}\n`
  if (args.includes('-p')) return `${(await embedded.parent(file)) ?? `${file} has no parent`}\n`
  if (args.includes('-f')) return `hidden: ${(await embedded.hidden(file)) ? 1 : 0}\n`
  if (args.includes('-d')) return `chain depth: ${await embedded.depth(file)}\n`
  if (args.includes('-a')) return `${await embedded.allocatedBlocks(file)}\n`
  return `${(await inspectVhd(files, file)).maxBatEntries * 2}\n`
}

async function scan(embedded: EmbeddedVhdUtil, pattern: string, goOn: boolean): Promise<string> {
  const directory = path.dirname(pattern.replaceAll('\\', ''))
  const rows = await embedded.scan(directory)
  const failed = rows.find(row => 'error' in row)
  if (failed !== undefined && !goOn) throw failed.error
  return rows.map(row => `${scanLine(row, directory)}\n`).join('')
}

function scanLine(row: VhdScanRow | VhdScanError, directory: string): string {
  if ('error' in row) return `vhd=${directory}/${row.name} scan-error=-22 error-message='opening file'`
  const sizes = `capacity=${row.virtualSize} size=${row.physicalSize} hidden=${row.hidden ? 1 : 0}`
  return `vhd=${row.name} ${sizes} marker=0 keyhash=${row.keyHash ?? ''} parent=${row.parentName ?? 'none'}`
}
