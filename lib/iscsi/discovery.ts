import path from 'node:path'
import { SmError } from '../smapi/SmError.ts'
import { IscsiadmError, type Iscsiadm } from './Iscsiadm.ts'
import { parseTargetPortals, portalText, type Portal, type TargetPortal } from './names.ts'
import { bootTargets, recordDatabases } from './records.ts'
import type { Account } from './settings.ts'

export interface Discovery {
  readonly portal: Portal
  readonly account?: Account | undefined
  /** Only the portals of this target. */
  readonly iqn?: string | undefined
}

/**
 * Asks a portal for the targets that it knows, which are recorded then (spec iscsi-hba 4).
 * @throws SmError ISCSILogin (68), whatever fails
 */
export async function discover(iscsiadm: Iscsiadm, { portal, account, iqn }: Discovery): Promise<TargetPortal[]> {
  const interfaces = (await interfaceNames(iscsiadm)).flatMap(name => ['-I', name])
  const where = ['-t', 'st', '-p', portalText(portal), ...interfaces]
  try {
    const text = await keepingBootRecords(iscsiadm, () =>
      account === undefined
        ? iscsiadm.change('-m', 'discovery', ...where)
        : discoverWithChap(iscsiadm, ['-m', 'discoverydb', ...where], account),
    )
    return parseTargetPortals(text, iqn)
  } catch (error) {
    if (error instanceof IscsiadmError) throw new SmError('ISCSILogin', error.message, { cause: error })
    throw error
  }
}

async function discoverWithChap(iscsiadm: Iscsiadm, command: readonly string[], account: Account): Promise<string> {
  const auth = 'discovery.sendtargets.auth'
  const set = (name: string, value: string) => ['-n', `${auth}.${name}`, '-v', value]
  await iscsiadm.change(...command, '-o', 'new')
  const values = [...set('authmethod', 'CHAP'), ...set('username', account.user), ...set('password', account.password)]
  await iscsiadm.change(...command, '-o', 'update', ...values)
  return iscsiadm.change(...command, '--discover')
}

/** The interfaces that an administrator has set up for iSCSI, else open-iscsi's own. */
async function interfaceNames(iscsiadm: Iscsiadm): Promise<string[]> {
  const text = await iscsiadm.lookOr('', '-m', 'iface')
  const names = text.split('\n').flatMap(line => /^(c_\S+) \S+$/.exec(line.trim())?.[1] ?? [])
  return names.length > 0 ? names : ['default']
}

/** A discovery overwrites records; those of a root disk have settings that the host needs. */
async function keepingBootRecords(iscsiadm: Iscsiadm, body: () => Promise<string>): Promise<string> {
  const { system } = iscsiadm.deps
  const kept: { readonly nodes: string; readonly copy: string }[] = []
  const targets = await bootTargets(system.files)
  for (const database of targets.size === 0 ? [] : await recordDatabases(system.files)) {
    for (const iqn of targets) {
      const nodes = path.join(database, 'nodes', iqn)
      if (!(await system.files.exists(nodes))) continue
      const copy = path.join(database, `nodes-of-${iqn}`)
      await system.run(['rm', '-rf', copy])
      await system.run(['cp', '-a', nodes, copy])
      kept.push({ nodes, copy })
    }
  }
  try {
    return await body()
  } finally {
    for (const { nodes, copy } of kept) {
      await system.run(['rm', '-rf', nodes])
      await system.files.rename(copy, nodes)
    }
  }
}
