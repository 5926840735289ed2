import { multiSessionText, parseMultiSession } from '../../lib/iscsi/config.ts'
import { busLinks } from '../../lib/scsi/links.ts'
import type { Context } from '../Context.ts'
import type { HostPbd } from './hostPbd.ts'
import type { TargetSession } from './TargetSession.ts'

/**
 * Has the list of sessions begin with the one that shows the LUN: whoever attaches the SR next looks there first (spec
 * iscsi-hba 8, load 4). Nothing happens where it does, or where the SR has one session only.
 */
export async function noteOrder(
  context: Context,
  sessions: readonly TargetSession[],
  { scsiId, pbd }: { readonly scsiId: string; readonly pbd: HostPbd },
): Promise<void> {
  if (sessions.length < 2) return
  const hosts = new Set((await busLinks(context)).filter(link => link.scsiId === scsiId).map(link => link.address.host))
  const shows = await Promise.all(sessions.map(session => session.isOnHostOf(hosts)))
  const first = shows.indexOf(true)
  if (first <= 0) return
  await pbd.setDeviceConfig('multiSession', present => {
    const keys = parseMultiSession(present['multiSession'] ?? '')
    return keys.length === sessions.length
      ? multiSessionText([...keys.slice(first), ...keys.slice(0, first)])
      : undefined
  })
}
