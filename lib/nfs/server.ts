import { lookup } from 'node:dns/promises'
import { CommandError } from '../os/run.ts'
import type { System } from '../os/system.ts'
import { tryPort } from '../os/tcp.ts'
import { SmError } from '../smapi/SmError.ts'
import { mountCommand, type NfsMount } from './config.ts'

const PORT = 2049
/** Number of the NFS program (RFC 5531 registry). */
const PROGRAM = '100003'
const KNOWN_VERSIONS = ['3', '4']

/** One line of what a server exports. */
export interface Export {
  readonly path: string
  readonly access: string
}

/** `tcp`, or `tcp6` where the first address of the server is an IPv6 one; with `udp` accordingly. */
export async function transportTo(server: string, useUdp: boolean): Promise<string> {
  const protocol = useUdp ? 'udp' : 'tcp'
  try {
    return (await lookup(server, { verbatim: true })).family === 6 ? `${protocol}6` : protocol
  } catch {
    // A name that cannot be resolved is reported by what needs the server.
    return protocol
  }
}

/** @throws SmError DNSError, NFSTarget where nothing listens on the NFS port */
export async function requireReachable(server: string): Promise<void> {
  const { address } = await lookup(server, { verbatim: true }).catch((error: unknown) => {
    throw new SmError('DNSError', undefined, { cause: error })
  })
  await tryPort(address, PORT).catch((error: unknown) => {
    throw new SmError('NFSTarget', undefined, { cause: error })
  })
}

/** The major versions that a server offers, sorted. A server without a port mapper may offer 4 alone, which is tried out. */
export async function supportedVersions(system: System, mount: NfsMount, scratch: string): Promise<string[]> {
  const offered = new Set<string>()
  for (const line of (await output(system, ['rpcinfo', '-s', mount.server])).split('\n')) {
    const [program, versions = ''] = line.trim().split(/\s+/)
    if (program === PROGRAM) for (const version of versions.split(',')) offered.add(version)
  }
  if (!offered.has('4')) {
    const names = await pseudoRootNames(system, mount, scratch)
    if (names !== undefined) offered.add('4')
  }
  return KNOWN_VERSIONS.filter(version => offered.has(version))
}

/** What the server exports, as far as it tells. */
export async function listExports(system: System, mount: NfsMount, scratch: string): Promise<Export[]> {
  const text = await output(system, ['showmount', '--no-headers', '-e', mount.server])
  const exports = text.split('\n').flatMap(line => {
    const [, path, access = '*'] = /^(\/.*?)(?:\s+(\S+))?\s*$/.exec(line) ?? []
    return path === undefined ? [] : [{ path, access }]
  })
  if (exports.length > 0) return exports
  const names = (await pseudoRootNames(system, mount, scratch)) ?? []
  return names.map(name => ({ path: `/${name}`, access: '*' }))
}

/** Names in the root of all that is exported by NFSv4; undefined where it cannot be mounted. */
async function pseudoRootNames(system: System, mount: NfsMount, scratch: string): Promise<string[] | undefined> {
  const { files, run } = system
  await files.makeDirectory(scratch, { mode: 0o700, recursive: true })
  try {
    await run(mountCommand({ ...mount, version: '4' }, '/', scratch))
    try {
      return await files.list(scratch)
    } finally {
      await run(['umount', scratch])
    }
  } catch (error) {
    if (error instanceof CommandError) return undefined
    throw error
  } finally {
    await files.removeDirectory(scratch)
  }
}

/** What a command that only asks has printed; nothing where it failed. */
async function output(system: System, argv: readonly [string, ...string[]]): Promise<string> {
  try {
    return (await system.run(argv)).stdout
  } catch (error) {
    if (error instanceof CommandError) return ''
    throw error
  }
}
