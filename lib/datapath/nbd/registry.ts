import path from 'node:path'
import { type Files, isErrno } from '../../os/files.ts'

/** What a server notes of itself while it runs, in `<vdi>.json` beside its sockets (spec datapath 12). */
export interface Registration {
  readonly pid: number
  /** Clock ticks since boot at which the process began: with the pid it names one process for ever. */
  readonly startTime: string
  readonly srUuid: string
  readonly vdiUuid: string
  readonly path: string
  readonly socket: string
  readonly control: string
}

export interface ServerFiles {
  readonly socket: string
  readonly control: string
  readonly registration: string
}

/** The names of a VDI's server below the runtime directory. None looks like `nbd<pid>.<minor>`, which xapi takes for a tapdisk. */
export function serverFiles(runtime: string, vdiUuid: string): ServerFiles {
  const name = (extension: string): string => path.join(runtime, `${vdiUuid}.${extension}`)
  return { socket: name('sock'), control: name('ctl'), registration: name('json') }
}

/** What is noted in a file, if the process it tells of still runs. */
export async function readRegistration(files: Files, file: string): Promise<Registration | undefined> {
  const text = await readIfPresent(files, file)
  const noted = text === undefined ? undefined : parse(text)
  if (noted === undefined) return undefined
  return (await startTimeOf(files, noted.pid)) === noted.startTime ? noted : undefined
}

/** Registrations in the runtime directory whose processes run. */
export async function registrations(files: Files, runtime: string): Promise<Registration[]> {
  let names: string[]
  try {
    names = await files.list(runtime)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
  const found: Registration[] = []
  for (const name of names.filter(one => one.endsWith('.json'))) {
    const noted = await readRegistration(files, path.join(runtime, name))
    if (noted !== undefined) found.push(noted)
  }
  return found
}

/** When a process began; undefined where there is none. */
export async function startTimeOf(files: Files, pid: number): Promise<string | undefined> {
  const text = await readIfPresent(files, `/proc/${pid}/stat`)
  // The name of the program, in parentheses, may hold anything; 20 fields follow up to the start time.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}

async function readIfPresent(files: Files, file: string): Promise<string | undefined> {
  try {
    return await files.readText(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return undefined
    throw error
  }
}

/** Undefined for a file that a crash cut short. */
function parse(text: string): Registration | undefined {
  try {
    const {
      pid,
      startTime,
      srUuid,
      vdiUuid,
      path: image,
      socket,
      control,
    } = JSON.parse(text) as Record<string, unknown>
    const texts = [startTime, srUuid, vdiUuid, image, socket, control]
    if (typeof pid !== 'number' || texts.some(item => typeof item !== 'string')) return undefined
    return JSON.parse(text) as Registration
  } catch {
    return undefined
  }
}
