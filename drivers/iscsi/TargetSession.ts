import { iscsiAdapters, type Adapter } from '../../lib/iscsi/adapters.ts'
import type { IscsiConfig } from '../../lib/iscsi/config.ts'
import { ensureDaemon } from '../../lib/iscsi/daemon.ts'
import { discover } from '../../lib/iscsi/discovery.ts'
import { Iscsiadm } from '../../lib/iscsi/Iscsiadm.ts'
import { isSamePortal, portalText, type Portal, type TargetPortal } from '../../lib/iscsi/names.ts'
import { hasSession, knownPortals, login } from '../../lib/iscsi/sessions.ts'
import { SessionUsers } from '../../lib/iscsi/SessionUsers.ts'
import { tryPort } from '../../lib/os/tcp.ts'
import { namesIn } from '../../lib/scsi/links.ts'
import { rescanHosts } from '../../lib/scsi/rescan.ts'
import { within } from '../../lib/scsi/deps.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { Context } from '../Context.ts'
import { disconnect, usingTarget } from './disconnect.ts'
import { targetList } from './documents.ts'
import type { HostPbd } from './hostPbd.ts'

export interface SessionOptions {
  readonly config: IscsiConfig
  readonly portal: Portal
  readonly iqn: string
  /** The SR that uses the session, or what stands for one while it is probed. */
  readonly user: string
  readonly multipath: boolean
  readonly pbd: HostPbd
}

/** How long the kernel and udev get to show the first LUN of a session. */
const LUN_WAIT_MS = 15_000

/** This host's connection to one target, shared with the other SRs of this host that are on it (spec iscsi-hba 8). */
export class TargetSession {
  readonly iqn: string
  readonly #context: Context
  readonly #options: SessionOptions
  readonly #iscsiadm: Iscsiadm
  readonly #users: SessionUsers
  #portal: Portal

  constructor(context: Context, options: SessionOptions) {
    this.iqn = options.iqn
    this.#context = context
    this.#options = options
    this.#iscsiadm = new Iscsiadm(context)
    this.#users = new SessionUsers(context, options.iqn)
    this.#portal = options.portal
  }

  /**
   * Connects this host to the target unless it is, and notes that the SR uses the connection. A portal that is down is
   * passed over where there is another one.
   * @throws SmError ISCSITarget (141) where no portal answers, ISCSIDiscovery (83) where the target is not there, ISCSILogin
   * (68) where it refuses, ISCSIDevice (67) where no session comes up, ISCSIInitiator, LVMRefCount, SMGeneral
   */
  async attach(): Promise<void> {
    await usingTarget(this.#context, this.iqn, async () => {
      const lacksPortals = await this.#lacksPortals()
      if (lacksPortals || !(await this.isConnected())) await this.#connect(lacksPortals)
      await this.#users.add(this.#options.user)
    })
    await this.#notePortals()
  }

  /** @throws SmError as `disconnect` */
  detach(): Promise<void> {
    return disconnect(this.#context, this.iqn, this.#options.user)
  }

  /** Whether this host has a session through the portal. */
  isConnected(): Promise<boolean> {
    return hasSession(this.#context, this.iqn, this.#portal)
  }

  /** The kernel's sessions of this target. */
  adapters(): Promise<Adapter[]> {
    return iscsiAdapters(this.#context, this.iqn)
  }

  /** Whether the kernel's session through the portal is one of these SCSI hosts. */
  async isOnHostOf(hosts: ReadonlySet<number>): Promise<boolean> {
    return (await this.adapters()).some(adapter => isSamePortal(adapter, this.#portal) && hosts.has(adapter.host))
  }

  /** Has the kernel look for LUNs through every session of this target. */
  async rescan(): Promise<void> {
    const hosts = new Set((await this.adapters()).map(({ host }) => host))
    await rescanHosts(this.#context, [...hosts])
  }

  /** The disks of the target by their number; waits for the first of them. */
  async luns(): Promise<Map<number, string>> {
    let found = new Map<number, string>()
    await within(this.#context, LUN_WAIT_MS, async () => {
      found = await this.#lunsNow()
      return found.size > 0
    })
    return found
  }

  async #lunsNow(): Promise<Map<number, string>> {
    const found = new Map<number, string>()
    const portals = [this.#portal, ...(await this.adapters()).filter(portal => !isSamePortal(portal, this.#portal))]
    for (const portal of portals) {
      const directory = `/dev/iscsi/${this.iqn}/${portalText(portal)}`
      for (const name of await namesIn(this.#context, directory)) {
        const number = /^LUN(\d+)$/.exec(name)?.[1]
        if (number !== undefined) found.set(Number(number), `${directory}/${name}`)
      }
      if (found.size > 0) break
    }
    return found
  }

  /** Whether an earlier attach had more sessions than there are now. */
  async #lacksPortals(): Promise<boolean> {
    const { config, pbd } = this.#options
    if (config.multihomeList.length === 0) return false
    const sessions = (await pbd.find())?.record.other_config['iscsi_sessions']
    return sessions !== undefined && Number(sessions) < config.multihomeList.length
  }

  async #connect(lacksPortals: boolean): Promise<void> {
    const { config } = this.#options
    const known = config.multiSession.length === 0 ? config.multihomeList : []
    this.#portal = await this.#answering(known.length > 0 ? known : [this.#portal])
    const isFresh = await ensureDaemon(this.#iscsiadm, config.localIqn)
    // A daemon that was started takes up the sessions that the kernel still has.
    if (!lacksPortals && (isFresh || known.length > 0) && (await this.isConnected())) return
    await this.#logIn(await this.#portals())
    if ((await this.adapters()).length === 0) throw new SmError('ISCSIDevice', 'during login')
  }

  async #answering(candidates: readonly Portal[]): Promise<Portal> {
    for (const portal of candidates) if (await this.#answers(portal)) return portal
    throw new SmError('ISCSITarget')
  }

  async #answers({ address, port }: Portal): Promise<boolean> {
    try {
      await tryPort(address, port)
      return true
    } catch (error) {
      this.#context.log.warn(`${portalText({ address, port })} does not answer: ${messageOf(error)}`)
      return false
    }
  }

  /** All portals of the target; the records of an earlier discovery do where this portal is among them. */
  async #portals(): Promise<TargetPortal[]> {
    const recorded = await knownPortals(this.#iscsiadm, this.iqn)
    if (recorded.some(portal => isSamePortal(portal, this.#portal))) return recorded
    const account = this.#options.config.credentials.outgoing
    const all = await discover(this.#iscsiadm, { portal: this.#portal, account })
    const found = all.filter(({ iqn }) => iqn === this.iqn)
    if (found.length > 0) return found
    process.stderr.write(`${targetList(all, this.#options.config)}\n`)
    throw new SmError('ISCSIDiscovery', 'check target settings')
  }

  async #logIn(portals: readonly TargetPortal[]): Promise<void> {
    const { config, multipath } = this.#options
    const wanted = config.multihomed ? portals : portals.filter(({ address }) => address === this.#portal.address)
    const present = await this.adapters()
    for (const portal of wanted) {
      if (present.some(adapter => isSamePortal(adapter, portal))) continue
      if (!isSamePortal(portal, this.#portal) && !(await this.#answers(portal))) continue
      try {
        await login(this.#iscsiadm, portal, { credentials: config.credentials, multipath })
      } catch (error) {
        if (!(error instanceof SmError) || error.errorName === 'ISCSILogin') throw error
        this.#context.log.warn(`no login to ${portalText(portal)}: ${error.message}`)
      }
    }
  }

  /** What the next attach, and whoever watches the paths, has to know of this host's sessions. */
  async #notePortals(): Promise<void> {
    const { config, pbd } = this.#options
    if (!config.multihomed) return
    const seen = (await this.adapters()).map(portalText)
    await pbd.setDeviceConfig('multihomelist', present => {
      const listed = (present['multihomelist'] ?? '').split(',').filter(item => item !== '')
      return [...new Set([...listed, ...seen])].join(',')
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
