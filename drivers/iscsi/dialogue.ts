import type { IscsiConfig } from '../../lib/iscsi/config.ts'
import { ensureDaemon } from '../../lib/iscsi/daemon.ts'
import { discover } from '../../lib/iscsi/discovery.ts'
import { Iscsiadm } from '../../lib/iscsi/Iscsiadm.ts'
import { tryPort } from '../../lib/os/tcp.ts'
import { within } from '../../lib/scsi/deps.ts'
import { settle } from '../../lib/scsi/devices.ts'
import { serialOf, sizeOf, vendorOf } from '../../lib/scsi/facts.ts'
import { namesIn } from '../../lib/scsi/links.ts'
import { rootDiskId } from '../../lib/scsi/rootDisk.ts'
import { scsiIdOf } from '../../lib/scsi/scsiId.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { Context } from '../Context.ts'
import { lunList, targetList, type LunFacts } from './documents.ts'
import type { TargetSession } from './TargetSession.ts'

/** How long the kernel gets to show all LUNs that a target lists. */
const ALL_LUNS_WAIT_MS = 30_000
const DEVICES = '/sys/class/scsi_device'

/**
 * Answers a request without a target's name: what there is goes to stderr, where clients find it, and nothing else does
 * (spec iscsi-hba 3.1).
 * @throws SmError ConfigTargetIQNMissing (96); ISCSITarget (141), ISCSILogin (68), ISCSIInitiator (70)
 */
export async function tellTargets(context: Context, config: IscsiConfig): Promise<never> {
  const iscsiadm = new Iscsiadm(context)
  const portal = { address: config.address, port: config.port }
  await tryPort(portal.address, portal.port).catch((error: unknown) => {
    throw new SmError('ISCSITarget', undefined, { cause: error })
  })
  await ensureDaemon(iscsiadm, config.localIqn)
  const found = await discover(iscsiadm, { portal, account: config.credentials.outgoing })
  process.stderr.write(`${targetList(found, config)}\n`)
  throw new SmError('ConfigTargetIQNMissing')
}

/**
 * Answers a request without a SCSI id, in the same way (spec iscsi-hba 3.2). The sessions are ended again.
 * @throws SmError ConfigSCSIid (107), and those of `TargetSession.attach`
 */
export async function tellLuns(context: Context, sessions: readonly TargetSession[]): Promise<never> {
  const luns = new Map<string, LunFacts>()
  for (const session of sessions) {
    if (await session.isConnected()) await session.rescan()
    await session.attach()
    try {
      for (const lun of await lunsOf(context, session)) if (!luns.has(lun.scsiId)) luns.set(lun.scsiId, lun)
    } finally {
      await session.detach()
    }
  }
  process.stderr.write(`${lunList([...luns.values()])}\n`)
  throw new SmError('ConfigSCSIid')
}

async function lunsOf(context: Context, session: TargetSession): Promise<LunFacts[]> {
  const [first] = [...(await session.luns())].sort(([one], [other]) => one - other)
  if (first === undefined) return []
  await waitForAll(context, session, first[1])
  const root = await rootDiskId(context)
  const luns = [...(await session.luns())].sort(([one], [other]) => one - other)
  const found: LunFacts[] = []
  for (const [number, device] of luns) {
    const scsiId = await scsiIdOf(context, device)
    if (scsiId !== '' && scsiId !== root) found.push(await factsOf(context, { number, device, scsiId }))
  }
  return found
}

/** The kernel shows LUNs one after the other. How many there are, each of them tells. */
async function waitForAll(context: Context, session: TargetSession, device: string): Promise<void> {
  const { stdout } = await context.system.run(['/usr/bin/sg_luns', '-q', device], {
    anyExitCode: true,
    changes: false,
  })
  const listed = stdout.split('\n').filter(line => /^\s*[0-9a-f]{16}\s*$/i.test(line)).length
  const [adapter] = await session.adapters()
  if (adapter !== undefined) {
    await within(context, ALL_LUNS_WAIT_MS, async () => {
      const shown = (await namesIn(context, DEVICES)).filter(name => name.startsWith(`${adapter.host}:`))
      return shown.length >= listed
    })
  }
  await settle(context)
}

async function factsOf(
  context: Context,
  { number, device, scsiId }: { number: number; device: string; scsiId: string },
): Promise<LunFacts> {
  const name = (await context.system.files.realpath(device)).replace(/^.*\//, '')
  const node = `/dev/${name}`
  const [vendor, serial] = [await vendorOf(context, node), await serialOf(context, node)]
  return { number, scsiId, vendor, serial, size: await sizeOf(context, name) }
}
