import { isIPv6 } from 'node:net'

/** An address and port of a target, as iscsiadm writes them: `10.0.0.1:3260`, `[fe80::1]:3260`. */
export interface Portal {
  /** IP address; an IPv6 one without its brackets. */
  readonly address: string
  readonly port: number
}

/** A portal of one target, as discovery and node records have it. */
export interface TargetPortal extends Portal {
  /** Number of the portal group. */
  readonly group: number
  readonly iqn: string
}

/** Stands for every target there is. */
export const ANY_TARGET = '*'

export const DEFAULT_PORT = 3260

const IQN = /^(?:iqn|eui|naa)\.[\w.:-]{1,219}$/i
const PORTAL = /^(?:\[([0-9a-f:.%\w]+)\]|([^\s[\]:,/]+)):(\d{1,5})$/i

/** Whether it can be the name of a target or initiator. It is part of paths and arguments then. */
export function isIqn(text: string): boolean {
  return IQN.test(text)
}

export function portalText({ address, port }: Portal): string {
  return `${isIPv6(address) ? `[${address}]` : address}:${port}`
}

/** Undefined where it is none. */
export function parsePortal(text: string): Portal | undefined {
  const [, v6, other, port] = PORTAL.exec(text) ?? []
  const address = v6 ?? other
  return address === undefined ? undefined : { address, port: Number(port) }
}

export function isSamePortal(one: Portal, other: Portal): boolean {
  return one.address === other.address && one.port === other.port
}

/**
 * The lines `portal,group iqn` of a discovery or of the node records, each once, in their order; lines of another form
 * are left out. With an IQN only those of that target.
 */
export function parseTargetPortals(text: string, wanted: string = ANY_TARGET): TargetPortal[] {
  const found = new Map<string, TargetPortal>()
  for (const line of text.split('\n')) {
    const [, at = '', group, iqn = ''] = /^(\S+),(-?\d+) (\S+)\s*$/.exec(line) ?? []
    const portal = parsePortal(at)
    if (portal === undefined || !isIqn(iqn) || (wanted !== ANY_TARGET && iqn !== wanted)) continue
    if (!found.has(line.trim())) found.set(line.trim(), { ...portal, group: Number(group), iqn })
  }
  return [...found.values()]
}
