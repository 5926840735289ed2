/** Where a LUN is on this host: host number, bus (channel), target, LUN. */
export interface ScsiAddress {
  readonly host: number
  readonly bus: number
  readonly target: number
  readonly lun: number
}

/** Reads `H:B:T:L`; undefined for any other text. */
export function parseAddress(text: string): ScsiAddress | undefined {
  const match = /^(\d+):(\d+):(\d+):(\d+)$/.exec(text)
  if (match === null) return undefined
  const [host = 0, bus = 0, target = 0, lun = 0] = match.slice(1).map(Number)
  return { host, bus, target, lun }
}

export function formatAddress({ host, bus, target, lun }: ScsiAddress): string {
  return `${host}:${bus}:${target}:${lun}`
}

/** `H:B:T`: what has LUNs. */
export function targetOf({ host, bus, target }: ScsiAddress): string {
  return `${host}:${bus}:${target}`
}
