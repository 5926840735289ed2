import path from 'node:path'
import { answerWith, type Driver } from '../../../drivers/dispatch.ts'
import { EXTSR } from '../../../drivers/EXTSR.ts'
import { FileSR } from '../../../drivers/FileSR.ts'
import { lvhdSrInfo } from '../../../drivers/lvhd/info.ts'
import { LVHDSR } from '../../../drivers/LVHDSR.ts'
import { NFSSR } from '../../../drivers/NFSSR.ts'
import { extSrInfo, fileSrInfo, nfsSrInfo } from '../../../drivers/file/info.ts'
import { answerTo, type Plugin } from '../../../drivers/SRCommand.ts'
import { Effects } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import type { DriverInfo } from '../../../lib/smapi/DriverInfo.ts'
import { makeRunProgram, type RunProgram } from '../../../lib/toolstack/storage/Executor.ts'

const plugin = (info: DriverInfo, driver: Driver): Plugin => ({
  info,
  answer: request => answerWith(driver, request),
})

/** The plugins that this process can be, by the names of their executables. */
const plugins: Readonly<Record<string, Plugin>> = {
  EXTSR: plugin(extSrInfo, EXTSR),
  FileSR: plugin(fileSrInfo, FileSR),
  LVHDSR: plugin(lvhdSrInfo, LVHDSR),
  LVMSR: plugin(lvhdSrInfo, LVHDSR),
  NFSSR: plugin(nfsSrInfo, NFSSR),
}

/** Runs a program as a process. */
export const runAsProcess: RunProgram = makeRunProgram(new Files(new Effects('')), () => crypto.randomUUID(), '/tmp')

/**
 * Runs a plugin in this process, which in a guest saves the second that a process takes to start. What is to be killed,
 * and whatever is no plugin, gets a process.
 */
export const runInAgent: RunProgram = async (program, argument, environment) => {
  const plugin = plugins[path.basename(program)]
  if (plugin === undefined || kills(environment['SM_FIST'])) return runAsProcess(program, argument, environment)
  const answer = await withEnvironment(environment, () => answerTo(plugin, [argument]))
  return { exitCode: 0, signal: undefined, stdout: Buffer.from(answer), stderr: Buffer.alloc(0) }
}

/** Whether something other than a trace or an error is asked for. */
function kills(fist = ''): boolean {
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
