import { SmError } from '../smapi/SmError.ts'
import { IscsiadmError, type Iscsiadm } from './Iscsiadm.ts'

/** A name and a password for CHAP. */
export interface Account {
  readonly user: string
  readonly password: string
}

/** How this host proves itself to a target, and how the target has to prove itself to this host. */
export interface Credentials {
  readonly outgoing?: Account | undefined
  readonly incoming?: Account | undefined
}

/** The record of one portal of a target. */
export interface Node {
  readonly portal: string
  readonly iqn: string
}

const AUTH = 'node.session.auth'
const TIMEOUT = 'node.session.timeo.replacement_timeout'
/** Seconds: how long the kernel holds back I/O of a lost session, where another path may take over and where none can. */
const WITH_MULTIPATH = 15
const WITHOUT_MULTIPATH = 144
/** open-iscsi's own. */
const DEFAULT_TIMEOUT = 120

/** What is recorded of a portal, by name; nothing where it cannot be read. */
export async function readSettings(iscsiadm: Iscsiadm, { portal, iqn }: Node): Promise<ReadonlyMap<string, string>> {
  const text = await iscsiadm.lookOr('', '-m', 'node', '-p', portal, '-T', iqn, '-S')
  const settings = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^([\w.[\]]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (name !== undefined) settings.set(name, value)
  }
  return settings
}

/**
 * Records how to log in: with CHAP, or that there is none. The passwords are arguments of iscsiadm: it takes them no other way
 * (docs/limitations.md).
 * @throws SmError SMGeneral (202)
 */
export async function setCredentials(
  iscsiadm: Iscsiadm,
  node: Node,
  { outgoing, incoming }: Credentials,
  settings: ReadonlyMap<string, string>,
): Promise<void> {
  if (outgoing === undefined) {
    if (hasNone(settings)) return
    const empty = ['username', 'password', 'username_in', 'password_in'].map(name => [name, ''] as const)
    for (const [name, value] of [['authmethod', 'None'] as const, ...empty]) {
      await update(iscsiadm, node, name, value).catch(ignoreRefusal)
    }
    return
  }
  const values = [
    ['authmethod', 'CHAP'],
    ['username', outgoing.user],
    ['password', outgoing.password],
    ...(incoming === undefined
      ? []
      : ([
          ['username_in', incoming.user],
          ['password_in', incoming.password],
        ] as const)),
  ] as const
  try {
    for (const [name, value] of values) await update(iscsiadm, node, name, value)
  } catch (error) {
    if (error instanceof IscsiadmError) throw new SmError('SMGeneral', error.message, { cause: error })
    throw error
  }
}

/** Adjusts how long I/O waits for a lost session. A value that is neither default is an administrator's and stays. */
export async function setReplacementTimeout(
  iscsiadm: Iscsiadm,
  iqn: string,
  settings: ReadonlyMap<string, string>,
  multipath: boolean,
): Promise<void> {
  const current = Number(settings.get(TIMEOUT) ?? DEFAULT_TIMEOUT)
  const [wanted, other] = multipath ? [WITH_MULTIPATH, WITHOUT_MULTIPATH] : [WITHOUT_MULTIPATH, WITH_MULTIPATH]
  if (current !== other && current !== DEFAULT_TIMEOUT) return
  // All portals alike.
  await iscsiadm.change('-m', 'node', '-T', iqn, '--op', 'update', '-n', TIMEOUT, '-v', String(wanted))
}

function hasNone(settings: ReadonlyMap<string, string>): boolean {
  const isEmpty = (name: string) => ['', '<empty>'].includes(settings.get(`${AUTH}.${name}`) ?? '?')
  return settings.get(`${AUTH}.authmethod`) === 'None' && isEmpty('username') && isEmpty('username_in')
}

async function update(iscsiadm: Iscsiadm, { portal, iqn }: Node, name: string, value: string): Promise<void> {
  await iscsiadm.change('-m', 'node', '-p', portal, '-T', iqn, '--op', 'update', '-n', `${AUTH}.${name}`, '-v', value)
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof IscsiadmError)) throw error
}
