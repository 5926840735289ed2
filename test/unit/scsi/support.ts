import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { LockManager } from '../../../lib/lock/Lock.ts'
import type { MultipathDeps } from '../../../lib/multipath/Multipath.ts'
import { Effects } from '../../../lib/os/effects.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { CommandError, type Run } from '../../../lib/os/run.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { projectRoot } from '../../support/World.ts'
import { scratch } from '../vhd/support.ts'

/** LUNs of the fixture: over both adapters, over both, over target 10 of host 1 alone. */
export const LUN_A = '3600a098038303053453f463045727a41'
export const LUN_B = '3600a098038303053453f463045727a42'
export const LUN_D = '3600a098038303053453f463045727a43'
export const ROOT_DISK = '35000c500a1b2c3d4'

/** What a program answers: standard output, or the exit code it fails with. */
export type Answer = string | number | { readonly exitCode: number; readonly stdout: string }
export type Tool = (args: readonly string[], input: string) => Answer

/**
 * A host with two Fibre Channel adapters (1 and 10), local disks, a software iSCSI session and one adapter without disks, as a tree
 * of files; programs are scripted, by their base name.
 */
export function fcHost(tools: Readonly<Record<string, Tool>> = {}) {
  const root = scratch()
  cpSync(path.join(projectRoot, 'test/fixtures/sysfs-fc'), root, { recursive: true })
  const commands: string[] = []
  const warnings: string[] = []
  const all: Readonly<Record<string, Tool>> = { ...wellBehaved(root), ...tools }
  const run: Run = (argv, { input = '', okExitCodes = [0] } = {}) => {
    const [program, ...args] = argv
    const line = [path.basename(program), ...args, ...input.split('\n')].join(' ').trim()
    commands.push(line.replaceAll(root, ''))
    const tool = all[path.basename(program)]
    if (tool === undefined) throw new Error(`no such program: ${line}`)
    const answer = tool(args, input)
    const { exitCode, stdout } =
      typeof answer === 'object'
        ? answer
        : { exitCode: typeof answer === 'number' ? answer : 0, stdout: typeof answer === 'string' ? answer : '' }
    if (!okExitCodes.includes(exitCode)) return Promise.reject(new CommandError(argv, exitCode, stdout, stdout))
    return Promise.resolve({ exitCode, stdout, stderr: '' })
  }
  const paths = new Paths(root)
  const effects = new Effects('')
  const ignore = () => undefined
  const deps: MultipathDeps = {
    system: { ...makeSystem(effects), run },
    paths,
    locks: new LockManager(paths, effects),
    log: {
      debug: ignore,
      info: ignore,
      warn: (text: string) => warnings.push(text),
      error: ignore,
      flush: () => Promise.resolve(),
    },
    roots: { sys: path.join(root, 'sys'), dev: path.join(root, 'dev'), proc: path.join(root, 'proc') },
    pollMs: 1,
    retryMs: 1,
  }
  return {
    root,
    deps,
    commands,
    warnings,
    /** What was written into a file beyond what it had. */
    written: (file: string) => readFileSync(path.join(root, file), 'utf8'),
    remove: (file: string) => {
      rmSync(path.join(root, file), { recursive: true })
    },
  }
}

/** Programs of a host where everything answers. */
function wellBehaved(root: string): Record<string, Tool> {
  const idOf = (device: string) => {
    const known = /by-scsibus\/(.+)-\d+:\d+:\d+:\d+$/.exec(device)?.[1]
    if (known !== undefined) return `${known}\n`
    const owner = [LUN_A, LUN_B, LUN_D, ROOT_DISK].find(id =>
      existsSync(path.join(root, 'dev/disk/by-scsid', id, path.basename(device))),
    )
    return owner === undefined ? 1 : `${owner}\n`
  }
  return {
    scsi_id: args => idOf(args.at(-1) ?? ''),
    sginfo: ([option, device = '']) =>
      option === '-s'
        ? `Serial Number 'S ${path.basename(device)}'\n\n`
        : 'INQUIRY response (cmd: 0x12)\nVendor:                    EXAMPLE \nProduct:      LUN\n',
    sg_luns: ([, device = '']) =>
      [/-10:0:0:|-1:0:1:/.test(device) ? ['0000', '0001'] : ['0000']]
        .flat()
        .map(lun => `${lun}000000000000\n`)
        .join(''),
    sg_readcap: () => '0x40000000 0x200\n',
    udevadm: () => '',
    modinfo: args => (args.at(-1) === 'qla2xxx' ? 'QLogic Fibre Channel HBA Driver\n' : 1),
    pidof: () => '',
    tee: () => '',
    timeout: () => '',
  }
}
