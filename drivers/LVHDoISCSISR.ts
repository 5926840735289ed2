import { iscsiAdapters } from '../lib/iscsi/adapters.ts'
import { credentialsOf, readConfig, type IscsiConfig } from '../lib/iscsi/config.ts'
import { isIqn } from '../lib/iscsi/names.ts'
import { targetsUsedBy } from '../lib/iscsi/SessionUsers.ts'
import { within } from '../lib/scsi/deps.ts'
import { settle } from '../lib/scsi/devices.ts'
import { lunEntries } from '../lib/scsi/links.ts'
import type { CommandName } from '../lib/smapi/commands.ts'
import type { Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import type { StringMap } from '../lib/xapi/XapiClient.ts'
import { disconnect } from './iscsi/disconnect.ts'
import { HostPbd } from './iscsi/hostPbd.ts'
import { noteOrder } from './iscsi/noteOrder.ts'
import { openSessions } from './iscsi/openSessions.ts'
import type { TargetSession } from './iscsi/TargetSession.ts'
import { LunSR } from './lun/LunSR.ts'

/** Commands that bring the LUN to this host. An incomplete configuration is answered with what there is to choose from. */
const CONNECTING: ReadonlySet<CommandName> = new Set<CommandName>([
  'sr_create',
  'sr_attach',
  'sr_probe',
  'vdi_attach_from_config',
])

/** How long the disk of a session gets to appear by itself, and after the kernel was told to look for it. */
const DISK_WAIT_MS = 5000
const RESCAN_WAIT_MS = 10_000
const BY_ID_WAIT_MS = 15_000

/** Portals and targets that do not answer are passed over while others do (spec iscsi-hba 8). */
const PASSED_OVER: ReadonlySet<string> = new Set(['ISCSITarget', 'ISCSIDiscovery'])

/** An LVHD SR on a LUN of an iSCSI target, `device_config:target`, `targetIQN` and `SCSIid` (spec iscsi-hba). */
export class LVHDoISCSISR extends LunSR {
  readonly #pbd = new HostPbd(this.context, () => this.srRef())
  #config: Promise<IscsiConfig> | undefined
  /** The SR was connected before this call, which therefore does not end the connection when it fails. */
  #isUsed = false
  /** The LUN has been here in this call: what fails afterwards is not the target's doing. */
  #wasConnected = false

  /**
   * @throws SmError ConfigTargetMissing (95), ConfigISCSIIQNMissing (97), DNSError (140), InvalidSecret (20), ISCSIPort (142),
   * ConfigTargetIQNMissing (96), ConfigSCSIid (107), and what asking the target fails with
   */
  protected override async loadTarget(): Promise<void> {
    const { command, deviceConfig } = this.context.request
    if (!CONNECTING.has(command)) {
      requireComplete(deviceConfig)
      return
    }
    const config = await this.#readConfig()
    if (config.iqn === undefined) await (await import('./iscsi/dialogue.ts')).tellTargets(this.context, config)
    if (this.scsiId !== '') return
    const holder = this.uuid === '' ? this.context.system.newUuid() : this.uuid
    await (await import('./iscsi/dialogue.ts')).tellLuns(this.context, await this.#sessions(holder))
  }

  /**
   * Connects to the targets and waits for the LUN.
   * @throws SmError ISCSITarget (141), ISCSIDiscovery (83), ISCSILogin (68), ISCSIDevice (67), ConfigSCSIid (107) where the
   * target has no such LUN, and those of multipathing
   */
  override async connect(holder: string): Promise<void> {
    const multipath = await this.multipath()
    this.#isUsed = (await targetsUsedBy(this.context, holder)).length > 0
    await multipath.activate()
    const sessions = await this.#sessions(holder)
    const connected = await this.#attachSessions(sessions)
    await this.#noteSessions(sessions)
    await this.#waitForLun(connected)
    // Over several sessions the same disk comes more than once; its names are to lead to one of them and stay so.
    if (connected.length > 1 || (await this.#readConfig()).multihomed) await settle(this.context)
    await multipath.refresh(this.scsiId)
    await this.#requireDevice()
    this.#wasConnected = true
    if (this.context.request.command === 'sr_attach') {
      await noteOrder(this.context, sessions, { scsiId: this.scsiId, pbd: this.#pbd })
    }
  }

  override async disconnect(holder: string): Promise<void> {
    if (this.#isUsed) return
    await (await this.multipath()).reset(this.scsiId)
    const configured = this.context.request.deviceConfig['targetIQN'] ?? ''
    const used = await targetsUsedBy(this.context, holder)
    for (const iqn of new Set(isIqn(configured) ? [...used, configured] : used)) {
      await disconnect(this.context, iqn, holder)
    }
  }

  /** Sessions come back by themselves, but for those that a portal had ended: multipathing needs all of them. */
  protected override async reconnect(): Promise<void> {
    if (!(await this.multipath()).isOn) return
    try {
      await this.connect(this.uuid)
    } catch (error) {
      this.context.log.warn(`not all sessions of SR ${this.uuid} are there: ${String(error)}`)
    }
  }

  /**
   * Where the target was not reached, that is what a client has to know; else that there is no SR. Clients match on the words
   * for one that exists (spec observed-behaviour).
   */
  protected override creationFailure(error: unknown): unknown {
    if (!this.#wasConnected) return error
    const isThere = error instanceof SmError && error.errorName === 'SRExists'
    const message = error instanceof Error ? error.message : String(error)
    return new SmError('SRUnavailable', isThere ? 'The SR already exists' : message, { cause: error })
  }

  protected override pbdKeys(): string[] {
    return [...super.pbdKeys(), 'iscsi_sessions']
  }

  /** What the attach without xapi cannot ask for: this host's name, and the passwords themselves. */
  override async offlineConfig(): Promise<StringMap> {
    const { deviceConfig } = this.context.request
    const { outgoing, incoming } = await credentialsOf(deviceConfig, { secret: uuid => this.#secret(uuid) })
    const localIqn = deviceConfig['localIQN'] ?? (await this.#hostConfig())['iscsi_iqn']
    const config = Object.entries(await super.offlineConfig()).filter(([key]) => !key.endsWith('_secret'))
    return {
      ...Object.fromEntries(config),
      ...(localIqn === undefined ? {} : { localIQN: localIqn }),
      ...(outgoing === undefined ? {} : { chappassword: outgoing.password }),
      ...(incoming === undefined ? {} : { incoming_chappassword: incoming.password }),
    }
  }

  #readConfig(): Promise<IscsiConfig> {
    this.#config ??= this.#findConfig()
    return this.#config
  }

  async #findConfig(): Promise<IscsiConfig> {
    return readConfig(this.context.request.deviceConfig, {
      hostConfig: () => this.#hostConfig(),
      secret: uuid => this.#secret(uuid),
      multipath: (await this.multipath()).isOn,
    })
  }

  async #hostConfig(): Promise<StringMap> {
    const { request, xapi } = this.context
    if (request.sessionRef === undefined || request.hostRef === undefined) return {}
    return xapi.hostGetOtherConfig(request.hostRef)
  }

  #secret(uuid: string): Promise<string> {
    return this.context.xapi.secretGetValue(uuid)
  }

  async #sessions(holder: string): Promise<TargetSession[]> {
    const multipath = (await this.multipath()).isOn
    const config = await this.#readConfig()
    return openSessions(this.context, { config, user: holder, multipath, pbd: this.#pbd })
  }

  /** @throws SmError as `connect`; the first portal's where none of several works */
  async #attachSessions(sessions: readonly TargetSession[]): Promise<TargetSession[]> {
    const connected: TargetSession[] = []
    let first: unknown
    for (const session of sessions) {
      try {
        await session.attach()
        connected.push(session)
      } catch (error) {
        if (!(error instanceof SmError) || !PASSED_OVER.has(error.errorName)) throw error
        this.context.log.warn(`${session.iqn} is passed over: ${error.message}`)
        first ??= error
      }
    }
    if (connected.length === 0) throw first
    return connected
  }

  /** How many sessions this host has to the SR's targets, for whoever looks after them. */
  async #noteSessions(sessions: readonly TargetSession[]): Promise<void> {
    if (this.context.request.command === 'sr_probe') return
    const targets = new Set(sessions.map(({ iqn }) => iqn))
    const count = (await iscsiAdapters(this.context)).filter(({ iqn }) => targets.has(iqn)).length
    await this.#pbd.setOtherConfig({ iscsi_sessions: String(count) })
  }

  async #waitForLun(sessions: readonly TargetSession[]): Promise<void> {
    const isThere = async () => (await lunEntries(this.context, this.scsiId)).length > 0
    if (await within(this.context, DISK_WAIT_MS, isThere)) return
    for (const session of sessions) await session.rescan()
    if (!(await within(this.context, RESCAN_WAIT_MS, isThere))) throw new SmError('ConfigSCSIid')
  }

  async #requireDevice(): Promise<void> {
    const { files } = this.context.system
    const [device = ''] = await this.devices()
    const isThere = await within(this.context, BY_ID_WAIT_MS, () => files.exists(device))
    if (!isThere) throw new SmError('ISCSIDevice', `${device} does not appear`)
  }
}

/** Commands that ask no target still need to know that there is one (spec iscsi-hba 2). */
function requireComplete(config: Request['deviceConfig']): void {
  if ((config['target'] ?? '') === '') throw new SmError('ConfigTargetMissing')
  if ((config['targetIQN'] ?? '') === '') throw new SmError('ConfigTargetIQNMissing')
  if ((config['SCSIid'] ?? '') === '') throw new SmError('ConfigSCSIid')
}
