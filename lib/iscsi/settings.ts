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
const INCOMING = ['username_in', 'password_in'] as const
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
    await forget(iscsiadm, node, [['authmethod', 'None'], ...emptied('username', 'password', ...INCOMING)])
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
  // What the target once had to prove would be asked of it again.
  if (incoming === undefined && !isEmpty(settings, 'username_in')) await forget(iscsiadm, node, emptied(...INCOMING))
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
  return (
    settings.get(`${AUTH}.authmethod`) === 'None' && isEmpty(settings, 'username') && isEmpty(settings, 'username_in')
  )
}

/** What is not known may be anything. */
function isEmpty(settings: ReadonlyMap<string, string>, name: string): boolean {
  return ['', '<empty>'].includes(settings.get(`${AUTH}.${name}`) ?? '?')
}

function emptied(...names: string[]): [name: string, value: string][] {
  return names.map(name => [name, ''])
}

/** Where the tool refuses, the login says so. */
async function forget(iscsiadm: Iscsiadm, node: Node, values: readonly [name: string, value: string][]): Promise<void> {
  for (const [name, value] of values) {
    await update(iscsiadm, node, name, value).catch((error: unknown) => {
      if (!(error instanceof IscsiadmError)) throw error
    })
  }
}

async function update(iscsiadm: Iscsiadm, { portal, iqn }: Node, name: string, value: string): Promise<void> {
  await iscsiadm.change('-m', 'node', '-p', portal, '-T', iqn, '--op', 'update', '-n', `${AUTH}.${name}`, '-v', value)
}
