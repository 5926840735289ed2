import { DEFAULT_PORT, portalText, type TargetPortal } from '../../lib/iscsi/names.ts'
import type { IscsiConfig } from '../../lib/iscsi/config.ts'
import { probeDocument, type ProbeElement } from '../probeXml.ts'

/** What is told of one LUN; sizes in bytes. */
export interface LunFacts {
  readonly vendor: string
  readonly serial: string
  readonly number: number
  readonly size: number
  readonly scsiId: string
}

/** The targets that a portal knows, and a last entry that stands for all of them (spec iscsi-hba 3.1). */
export function targetList(found: readonly TargetPortal[], { targetList: targets, port }: IscsiConfig): string {
  const entries = [
    ...found.map(portal => ({ address: addressText(portal), port: portal.port, iqn: portal.iqn })),
    { address: targets, port, iqn: '*' },
  ]
  const list = entries.map((entry, index): ProbeElement => {
    const portElement: ProbeElement[] = entry.port === DEFAULT_PORT ? [] : [['Port', String(entry.port)]]
    return ['TGT', [['Index', String(index)], ['IPAddress', entry.address], ...portElement, ['TargetIQN', entry.iqn]]]
  })
  return probeDocument(['iscsi-target-iqns', list])
}

/** The LUNs of a target; what is not known of one is left out (spec iscsi-hba 3.2). */
export function lunList(luns: readonly LunFacts[]): string {
  const list = luns.map(({ vendor, serial, number, size, scsiId }): ProbeElement => {
    const fields: ProbeElement[] = [
      ['vendor', vendor],
      ['serial', serial],
      ['LUNid', String(number)],
      ['size', size === 0 ? '' : String(size)],
      ['SCSIid', scsiId],
    ]
    return ['LUN', fields.filter(([, text]) => text.length > 0)]
  })
  return probeDocument(['iscsi-target', list])
}

/** With the brackets of an IPv6 address. */
function addressText(portal: TargetPortal): string {
  return portalText(portal).slice(0, -`:${portal.port}`.length)
}
