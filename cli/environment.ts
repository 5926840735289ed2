import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { setting } from '../lib/os/environment.ts'
import { Paths } from '../lib/os/paths.ts'
import { makeSystem, type System } from '../lib/os/system.ts'

/** Where this run works and what it works with. */
export interface Environment {
  readonly system: System
  readonly paths: Paths
  /** `$SM_XAPI_URL`: the toolstack to talk to instead of our own. */
  readonly xapiUrl: string | undefined
  /** Directory of the plugins. */
  readonly smDir: string
}

/**
 * Settles the environment of a run: `$SM_ROOT` (a folder of the user's own, made with mode 0700) and `$SM_LOG` (a file
 * in it) get their defaults here, so that this process and the plugins it starts agree.
 */
export async function prepareEnvironment(): Promise<Environment> {
  process.env['SM_ROOT'] = rootFolder(process.env)
  const paths = new Paths()
  const system = makeSystem()
  if (!paths.isHost) {
    await system.files.makeDirectory(paths.root, { mode: 0o700, recursive: true })
    const log = logFile(paths)
    if (setting('SM_LOG') === undefined) {
      await system.files.makeDirectory(path.dirname(log), { mode: 0o700, recursive: true })
      process.env['SM_LOG'] = log
    }
  }
  return { system, paths, xapiUrl: setting('SM_XAPI_URL'), smDir: pluginFolder() }
}

/** `$SM_ROOT`, else `$XDG_STATE_HOME/sm`, else `~/.local/state/sm`. */
export function rootFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (env['SM_ROOT'] !== undefined && env['SM_ROOT'] !== '') return path.resolve(env['SM_ROOT'])
  const { XDG_STATE_HOME: state } = env
  // A relative path there is to be ignored, says the XDG specification.
  const base = state !== undefined && path.isAbsolute(state) ? state : path.join(homedir(), '.local', 'state')
  return path.join(base, 'sm')
}

export function logFile(paths: Paths): string {
  return path.join(paths.root, 'var', 'log', 'sm.log')
}

/** Directory of the plugins: `bin/` beside this folder, and beside `dist/` where the bundle lies. */
export function pluginFolder(): string {
  return fileURLToPath(new URL('../bin', import.meta.url))
}

/** Folder of the page for browsers, which the build makes. */
export function pageFolder(): string {
  return fileURLToPath(new URL('../dist/page', import.meta.url))
}
