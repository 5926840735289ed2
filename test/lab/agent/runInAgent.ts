import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { answerWith, type Driver } from '../../../drivers/dispatch.ts'
import { EXTSR } from '../../../drivers/EXTSR.ts'
import { FileSR } from '../../../drivers/FileSR.ts'
import { lvhdOverHbaInfo } from '../../../drivers/hba/info.ts'
import { lvhdSrInfo } from '../../../drivers/lvhd/info.ts'
import { iscsiSrInfo } from '../../../drivers/iscsi/info.ts'
import { LVHDoISCSISR } from '../../../drivers/LVHDoISCSISR.ts'
import { LVHDSR } from '../../../drivers/LVHDSR.ts'
import { LVHDoHBASR } from '../../../drivers/LVHDoHBASR.ts'
import { NFSSR } from '../../../drivers/NFSSR.ts'
import { extSrInfo, fileSrInfo, nfsSrInfo } from '../../../drivers/file/info.ts'
import { answerTo } from '../../../drivers/SRCommand.ts'
import { Effects } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import { makeSystem, type System } from '../../../lib/os/system.ts'
import type { DriverInfo } from '../../../lib/smapi/DriverInfo.ts'
import type { Request } from '../../../lib/smapi/Request.ts'
import { makeRunProgram, type RunProgram } from '../../../lib/toolstack/storage/Executor.ts'
import { breakLink, mendLink } from './LossyLink.ts'
import { posixSpawn } from './posixSpawn.ts'

/** The plugins that this process can be, by the names of their executables. */
const plugins: Readonly<Record<string, { readonly info: DriverInfo; readonly driver: Driver }>> = {
  EXTSR: { info: extSrInfo, driver: EXTSR },
  FileSR: { info: fileSrInfo, driver: FileSR },
  LVHDSR: { info: lvhdSrInfo, driver: LVHDSR },
  LVHDoISCSISR: { info: iscsiSrInfo, driver: LVHDoISCSISR },
  LVMoISCSISR: { info: iscsiSrInfo, driver: LVHDoISCSISR },
  LVHDoHBASR: { info: lvhdOverHbaInfo, driver: LVHDoHBASR },
  LVMSR: { info: lvhdSrInfo, driver: LVHDSR },
  LVMoHBASR: { info: lvhdOverHbaInfo, driver: LVHDoHBASR },
  NFSSR: { info: nfsSrInfo, driver: NFSSR },
}

/** A client of NFS 4 has no time limit for finding its state again, so the server comes back: after more than its lease. */
const LONGEST_OUTAGE_MS = 12_000

/** Runs a program as a process. */
export const runAsProcess: RunProgram = makeRunProgram(new Files(new Effects('')), () => crypto.randomUUID(), '/tmp')

const programs: string[] = []

/** Names of the programs that plugins in this process have run since the last time. Those of a plugin that is a process are not here. */
export function takePrograms(): string[] {
  return programs.splice(0)
}

/**
 * Runs a plugin in this process, which in a guest saves the second that a process takes to start. What is to be killed,
 * and whatever is no plugin, gets a process. An entry `offline=sda@N` of `SM_FIST` takes that disk away before the
 * N-th effect. An entry `outage=cut@N` breaks the guest's `LossyLink` before the
 * N-th effect and mends it before the next; with `@N-` it stays broken until the call has ended,
 * or for some seconds.
 */
export const runInAgent: RunProgram = async (program, argument, environment) => {
  const plugin = plugins[path.basename(program)]
  const fist = environment['SM_FIST'] ?? ''
  if (plugin === undefined || kills(fist)) return runAsProcess(program, argument, environment)
  const system = counted(makeSystem(new Effects(fist, lossOf(fist) ?? outageOf(fist)), posixSpawn))
  const limit = setTimeout(mendLink, LONGEST_OUTAGE_MS)
  const answer = (request: Request) => answerWith(plugin.driver, request, system)
  try {
    const document = await withEnvironment(environment, () => answerTo({ info: plugin.info, answer }, [argument]))
    return { exitCode: 0, signal: undefined, stdout: Buffer.from(document), stderr: Buffer.alloc(0) }
  } finally {
    clearTimeout(limit)
    mendLink()
  }
}

/** What takes a disk away, one path to a LUN, as the plugin's effects come. */
function lossOf(fist: string): ((index: number) => void) | undefined {
  const [, disk, before] = /(?:^|,)offline=(sd[a-z])@(\d+)(?:,|$)/.exec(fist) ?? []
  if (disk === undefined) return undefined
  return index => {
    if (index === Number(before)) writeFileSync(`/sys/block/${disk}/device/state`, 'offline\n')
  }
}

function counted(system: System): System {
  const run: System['run'] = (argv, options) => {
    programs.push(path.basename(argv[0]))
    return system.run(argv, options)
  }
  return { ...system, run }
}

/** What breaks and mends the link as the plugin's effects come. */
function outageOf(fist: string): ((index: number) => void) | undefined {
  const [, outage, first, open] = /(?:^|,)outage=(cut|mute)@(\d+)(-?)(?:,|$)/.exec(fist) ?? []
  if (outage !== 'cut' && outage !== 'mute') return undefined
  return index => {
    if (index === Number(first)) breakLink(outage)
    if (index === Number(first) + 1 && open === '') mendLink()
  }
}

/** Whether something other than a trace or an error is asked for. */
function kills(fist: string): boolean {
  return fist.split(',').some(entry => entry !== '' && !entry.startsWith('trace:') && !entry.includes('='))
}

/**
 * A plugin reads its environment before it first waits for something, so it is there until then and other calls, which
 * may run meanwhile, have their own.
 */
function withEnvironment<T>(environment: Readonly<Record<string, string>>, start: () => Promise<T>): Promise<T> {
  const saved = { ...process.env }
  process.env = { ...environment }
  try {
    return start()
  } finally {
    process.env = saved
  }
}
