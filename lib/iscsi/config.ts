import { lookup } from 'node:dns/promises'
import { SmError } from '../smapi/SmError.ts'
import { ANY_TARGET, DEFAULT_PORT, isIqn, parsePortal, type Portal } from './names.ts'
import type { Account, Credentials } from './settings.ts'

type StringMap = Readonly<Record<string, string>>

/** One portal of one target, as `device_config:multiSession` lists them. */
export interface SessionKey extends Portal {
  readonly iqn: string
}

/** What a device_config says of iSCSI (spec iscsi-hba 2). */
export interface IscsiConfig {
  /** `target` as it was given: an address, a name, or several with commas. */
  readonly targetList: string
  /** Address of the first. */
  readonly address: string
  readonly port: number
  /** Undefined where it is missing or can be none; `*` for all. */
  readonly iqn: string | undefined
  /** Name of this host as an initiator. */
  readonly localIqn: string
  readonly credentials: Credentials
  /** Log in to all portals of the target. */
  readonly multihomed: boolean
  /** All portals that were seen at an earlier attach. */
  readonly multihomeList: readonly Portal[]
  /** The sessions of an SR on several targets, the one that shows the LUN first; empty where not known yet. */
  readonly multiSession: readonly SessionKey[]
}

/** Where what is not in a device_config comes from. */
export interface ConfigSources {
  /** `host.other_config` of this host; empty where there is no database. */
  hostConfig(): Promise<StringMap>
  /** The value of a secret. */
  secret(uuid: string): Promise<string>
  /** Whether this host uses multipath. */
  readonly multipath: boolean
}

/**
 * Reads and checks a device_config.
 * @throws SmError ConfigTargetMissing (95), ConfigISCSIIQNMissing (97), DNSError (140), InvalidSecret (20), ISCSIPort (142), in this order
 */
export async function readConfig(config: StringMap, sources: ConfigSources): Promise<IscsiConfig> {
  const targetList = config['target'] ?? ''
  if (targetList === '') throw new SmError('ConfigTargetMissing')
  const localIqn = await initiatorName(config, sources)
  const [first = ''] = targetsOf(targetList)
  const address = await resolve(first)
  const credentials = await credentialsOf(config, sources)
  const iqn = config['targetIQN'] ?? ''
  return {
    targetList,
    localIqn,
    address,
    credentials,
    port: portOf(config['port'] ?? ''),
    iqn: iqn === ANY_TARGET || isIqn(iqn) ? iqn : undefined,
    multihomed: 'multihomed' in config ? config['multihomed'] === 'true' : sources.multipath,
    multihomeList: parseMultihomeList(config['multihomelist'] ?? ''),
    multiSession: parseMultiSession(config['multiSession'] ?? ''),
  }
}

/** The targets of a comma list. */
export function targetsOf(targetList: string): string[] {
  return targetList.split(',').filter(target => target !== '')
}

/** The address of a target. @throws SmError DNSError (140) */
export async function resolve(target: string): Promise<string> {
  try {
    return (await lookup(target, { verbatim: true })).address
  } catch (error) {
    throw new SmError('DNSError', undefined, { cause: error })
  }
}

/** `multihomelist`: portals with commas. What is none is left out. */
export function parseMultihomeList(text: string): Portal[] {
  return text.split(',').flatMap(item => parsePortal(item) ?? [])
}

/** `multiSession`: `address,port,iqn` with a bar behind each. What is none is left out. */
export function parseMultiSession(text: string): SessionKey[] {
  return text.split('|').flatMap(item => {
    const [address = '', port = '', iqn = ''] = item.split(',')
    return address !== '' && /^\d{1,5}$/.test(port) && isIqn(iqn) ? [{ address, port: Number(port), iqn }] : []
  })
}

export function multiSessionText(keys: readonly SessionKey[]): string {
  return keys.map(({ address, port, iqn }) => `${address},${port},${iqn}|`).join('')
}

/** The accounts, with the passwords themselves. @throws SmError InvalidSecret (20) */
export async function credentialsOf(config: StringMap, sources: Pick<ConfigSources, 'secret'>): Promise<Credentials> {
  return {
    outgoing: await accountOf(config, 'chap', sources),
    incoming: await accountOf(config, 'incoming_chap', sources),
  }
}

async function accountOf(
  config: StringMap,
  prefix: 'chap' | 'incoming_chap',
  sources: Pick<ConfigSources, 'secret'>,
): Promise<Account | undefined> {
  const user = config[`${prefix}user`]
  const secret = config[`${prefix}password_secret`]
  if (user === undefined) return undefined
  if (secret === undefined) {
    const password = config[`${prefix}password`]
    return password === undefined ? undefined : { user, password }
  }
  try {
    return { user, password: await sources.secret(secret) }
  } catch (error) {
    throw new SmError('InvalidSecret', undefined, { cause: error })
  }
}

async function initiatorName(config: StringMap, sources: ConfigSources): Promise<string> {
  const name = config['localIQN'] ?? (await sources.hostConfig())['iscsi_iqn'] ?? ''
  if (!isIqn(name)) throw new SmError('ConfigISCSIIQNMissing')
  return name
}

function portOf(text: string): number {
  if (text === '') return DEFAULT_PORT
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new SmError('ISCSIPort')
  return port
}
