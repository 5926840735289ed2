import path from 'node:path'
import { isErrno } from '../lib/os/files.ts'
import * as config from '../lib/nfs/config.ts'
import { mountNfs } from '../lib/nfs/mount.ts'
import { listExports, requireReachable, supportedVersions, transportTo } from '../lib/nfs/server.ts'
import type { CommandName } from '../lib/smapi/commands.ts'
import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { FileFamilySR } from './file/FileFamilySR.ts'
import { isUuid } from './file/layout.ts'
import { mountedSource } from './file/mount.ts'
import { unmountSr } from './file/mountPoint.ts'
import { requireWritable, testHardLinks } from './nfs/shareTests.ts'
import { probeDocument, type ProbeElement } from './probeXml.ts'

type StringMap = Readonly<Record<string, string>>

const MOUNTS: ReadonlySet<CommandName> = new Set<CommandName>([
  'sr_create',
  'sr_delete',
  'sr_probe',
  'sr_attach',
  'vdi_attach_from_config',
])

/** An SR in a directory of an NFS export, `device_config:server` and `serverpath` (spec file-sr 6.3). */
export class NFSSR extends FileFamilySR {
  override readonly hasOwnFileSystem = true
  override readonly isShared = true

  /**
   * What is to be mounted is checked. An SR that is mounted already, perhaps by another storage manager, works as it is and
   * can be let go of.
   * @throws SmError ConfigServerMissing, InvalidArg; Error where the version is none
   */
  override load(): Promise<void> {
    const { command, deviceConfig } = this.context.request
    config.requireServer(deviceConfig)
    if (!MOUNTS.has(command)) return Promise.resolve()
    config.serverOf(deviceConfig)
    config.serverPathOf(deviceConfig)
    config.optionsOf(deviceConfig)
    config.versionOf(deviceConfig)
    return Promise.resolve()
  }

  /** The export itself may be mounted in the SR's place, by a creation or deletion that was stopped: that is not the SR. */
  override async isAttached(): Promise<boolean> {
    if (!(await super.isAttached())) return false
    const source = mountedSource(this.path)
    return source === undefined || path.posix.basename(source) === this.uuid || (await this.hasNoSubdirectory())
  }

  /** Makes the SR's directory on the export, or takes an empty one. @throws SmError SRExists, NFSCreate, NFSAttached and those of `attach` */
  override async sr_create(_request: Request): Promise<null> {
    await requireReachable(this.server)
    const serverPath = await this.requireServerPath({ hint: true })
    if (await this.isAttached()) throw new SmError('NFSAttached')
    await this.mountExport(serverPath)
    try {
      if (!(await this.hasNoSubdirectory())) await this.makeSubdirectory()
    } finally {
      await this.detach()
    }
    return null
  }

  /** @throws SmError DNSError, NFSTarget, NFSVersion, NFSMount, SharedFileSystemNoWrite, ConfigServerPathMissing */
  override async attach(): Promise<void> {
    if (await this.isAttached()) return
    const serverPath = await this.requireServerPath({ hint: false })
    await requireReachable(this.server)
    await this.mountExport(path.posix.join(serverPath, (await this.hasNoSubdirectory()) ? '/' : this.uuid))
    try {
      await requireWritable(this)
      await testHardLinks(this)
    } catch (error) {
      await this.detach()
      throw error
    }
  }

  /** Whatever is mounted there. @throws SmError NFSUnMount */
  override async detach(): Promise<void> {
    while (await super.isAttached()) await unmountSr(this, 'NFSUnMount')
  }

  /** @throws SmError SRNotEmpty, FileSRDelete, NFSDelete */
  override async sr_delete(request: Request): Promise<null> {
    await super.sr_delete(request)
    if (await this.hasNoSubdirectory()) return null
    await this.mountExport(await this.requireServerPath({ hint: false }))
    try {
      await this.context.system.files.removeDirectory(this.file(this.uuid))
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw new SmError('NFSDelete', String(error), { cause: error })
    } finally {
      await this.detach()
    }
    return null
  }

  /**
   * The SRs on the export, and on demand the protocol versions that the server offers. Without a path the exports are
   * written to stderr, where clients find them.
   * @throws SmError ConfigServerPathMissing and those of `attach`
   */
  override async sr_probe(_request: Request): Promise<string> {
    await requireReachable(this.server)
    const serverPath = await this.requireServerPath({ hint: true })
    const { mount, versions } = await this.chooseVersion()
    const mountPoint = path.join(this.context.paths.srMountBase, 'probe')
    await mountNfs(this.context, mount, { serverPath: path.posix.join(serverPath, '/'), mountPoint })
    try {
      const found = await this.srDirectories(mountPoint)
      const list: ProbeElement[] = found.map(uuid => ['SR', [['UUID', uuid]]])
      if (this.asksForVersions) {
        list.push(['SupportedVersions', versions.map(version => ['Version', version] as const)])
      }
      return probeDocument(['SRlist', list])
    } finally {
      await this.releaseProbe(mountPoint)
    }
  }

  override async offlineConfig(): Promise<Readonly<Record<string, StringMap>>> {
    return { sr_sm_config: await this.smConfig(), sr_other_config: await this.otherConfig() }
  }

  private get server(): string {
    return config.serverOf(this.context.request.deviceConfig)
  }

  private get asksForVersions(): boolean {
    return 'probeversion' in this.context.request.deviceConfig
  }

  private get scratch(): string {
    return path.join(this.context.paths.runtime, `nfs-root-${process.pid}`)
  }

  private async requireServerPath({ hint }: { hint: boolean }): Promise<string> {
    const serverPath = config.serverPathOf(this.context.request.deviceConfig)
    if (serverPath !== undefined) return serverPath
    if (hint) await this.showExports()
    throw new SmError('ConfigServerPathMissing')
  }

  private async showExports(): Promise<void> {
    const exports = await listExports(this.context.system, await this.configuredMount(), this.scratch)
    const list = exports.map(({ path: exported, access }): ProbeElement => {
      return ['Export', Object.entries({ Target: this.server, Path: exported, Accesslist: access })]
    })
    process.stderr.write(`${probeDocument(['nfs-exports', list])}\n`)
  }

  private async configuredMount(): Promise<config.NfsMount> {
    const { deviceConfig } = this.context.request
    return {
      server: this.server,
      version: config.versionOf(deviceConfig),
      options: config.optionsOf(deviceConfig),
      transport: await transportTo(this.server, deviceConfig['useUDP'] === 'true'),
    }
  }

  /** The mount with a version that the server offers. @throws SmError NFSVersion */
  private async chooseVersion(): Promise<{ mount: config.NfsMount; versions: readonly string[] }> {
    const mount = await this.configuredMount()
    const versions = await supportedVersions(this.context.system, mount, this.scratch)
    const [first] = versions
    if (this.asksForVersions && first !== undefined) return { mount: { ...mount, version: first }, versions }
    if (!versions.includes(mount.version.charAt(0))) throw new SmError('NFSVersion')
    return { mount, versions }
  }

  private async mountExport(serverPath: string): Promise<void> {
    const { mount } = await this.chooseVersion()
    const warn = (text: string) => {
      this.context.log.warn(text)
    }
    const patience = config.patienceOf(await this.otherConfig(), warn)
    await mountNfs(this.context, mount, { serverPath, mountPoint: this.path, patience })
  }

  private async makeSubdirectory(): Promise<void> {
    const { files } = this.context.system
    const directory = this.file(this.uuid)
    try {
      await files.makeDirectory(directory)
    } catch (error) {
      if (isErrno(error, 'EROFS')) throw new SmError('SharedFileSystemNoWrite', undefined, { cause: error })
      if (!isErrno(error, 'EEXIST')) throw new SmError('NFSCreate', String(error), { cause: error })
      if (!(await files.lstat(directory)).isDirectory()) throw new SmError('SRExists')
      if ((await this.namesIn(directory)).some(name => !name.startsWith('.'))) throw new SmError('SRExists')
    }
  }

  private async namesIn(directory: string): Promise<string[]> {
    try {
      return await this.context.system.files.list(directory)
    } catch (error) {
      throw new SmError('NFSCreate', String(error), { cause: error })
    }
  }

  private async srDirectories(directory: string): Promise<string[]> {
    const { files } = this.context.system
    const found: string[] = []
    for (const name of await files.list(directory)) {
      if (isUuid(name) && (await files.lstat(path.join(directory, name))).isDirectory()) found.push(name)
    }
    return found
  }

  /** What was found out stands, whatever happens to the mount point. */
  private async releaseProbe(mountPoint: string): Promise<void> {
    const { system, log } = this.context
    try {
      await system.run(['umount', mountPoint])
      await system.files.removeDirectory(mountPoint)
    } catch (error) {
      log.warn(`the probe's mount point stays: ${String(error)}`)
    }
  }

  /** Whether the SR is the exported directory itself instead of one in it. */
  private async hasNoSubdirectory(): Promise<boolean> {
    return (await this.smConfig())['nosubdir'] === 'true'
  }

  /** From the database, or from the call where there is no session. */
  private async smConfig(): Promise<StringMap> {
    const { request, xapi } = this.context
    return request.sessionRef === undefined ? request.srSmConfig : xapi.srGetSmConfig(await this.srRef())
  }

  private async otherConfig(): Promise<StringMap> {
    const { request, xapi } = this.context
    return request.sessionRef === undefined ? request.srOtherConfig : xapi.srGetOtherConfig(await this.srRef())
  }
}
