import { withFairlock } from '../lvm/fairlock.ts'
import type { MultipathDeps } from './Multipath.ts'

const PROMPT = /^multipathd> ?/gm
/** Colours that newer versions put around names, also in a pipe. */
const ESCAPES = new RegExp(String.raw`\u001b\[[0-9;]*m`, 'g')

/** One path in the topology of a map. */
export interface PathState {
  /** Kernel name, `sda`. */
  readonly name: string
  readonly isUp: boolean
}

/** What the daemon says to a command of its interactive mode, without prompts, which only some versions print. */
export async function askDaemon(deps: MultipathDeps, command: string): Promise<string> {
  return withFairlock(deps, async () => {
    const { stdout } = await deps.system.run(['multipathd', '-k'], { input: `${command}\n`, okExitCodes: [0, 1] })
    return stdout.replaceAll(ESCAPES, '').replaceAll(PROMPT, '')
  })
}

/** As `askDaemon`, for a command that changes something. Whether it is done. */
export async function tellDaemon(deps: MultipathDeps, command: string): Promise<boolean> {
  const answer = (await askDaemon(deps, command)).trim()
  if (answer !== 'ok') deps.log.warn(`multipathd: ${command}: ${answer}`)
  return answer === 'ok'
}

/** Names of all maps. */
export async function mapNames(deps: MultipathDeps): Promise<string[]> {
  const lines = (await askDaemon(deps, 'list maps')).split('\n').map(line => line.trim())
  const header = lines.findIndex(line => /^name\b/.test(line))
  if (header === -1) return []
  return lines.slice(header + 1).flatMap(line => line.split(/\s+/, 1).filter(name => name !== ''))
}

/** The paths of a map; none where there is no such map. */
export async function pathsOfMap(deps: MultipathDeps, map: string): Promise<PathState[]> {
  return parseTopology(await askDaemon(deps, `show map ${map} topology`))
}

/** Path lines have an address and a kernel name, then numbers and what device-mapper, the checker and the kernel say. */
export function parseTopology(text: string): PathState[] {
  return text.split('\n').flatMap(line => {
    const [, name, states = ''] = /\b\d+:\d+:\d+:\d+\s+(\S+)\s+(.*)$/.exec(line) ?? []
    return name === undefined ? [] : [{ name, isUp: !/\b(faulty|shaky|failed)\b/.test(states) }]
  })
}
