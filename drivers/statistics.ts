import type { SR } from './SR.ts'

/** Room of a file system, bytes (spec file-sr 3). */
export interface Capacity {
  readonly size: number
  readonly utilisation: number
}

export async function fileSystemCapacity(sr: SR, directory: string): Promise<Capacity> {
  const stat = await sr.context.system.files.statfs(directory)
  return { size: stat.blocks * stat.bsize, utilisation: (stat.blocks - stat.bfree) * stat.bsize }
}

/** Writes SR.virtual_allocation (an absolute value, bytes), physical_size and physical_utilisation. */
export async function writeStatistics(sr: SR, virtualAllocation: number, capacity: Capacity): Promise<void> {
  const { xapi } = sr.context
  const ref = await sr.srRef()
  await xapi.srSetVirtualAllocation(ref, virtualAllocation)
  await xapi.srSetPhysicalSize(ref, capacity.size)
  await xapi.srSetPhysicalUtilisation(ref, capacity.utilisation)
}

/** As `writeStatistics`, with virtual_allocation = the database's value plus `delta` bytes (spec file-sr 12). */
export async function adjustStatistics(sr: SR, delta: number, capacity: Capacity): Promise<void> {
  const { xapi } = sr.context
  const ref = await sr.srRef()
  await writeStatistics(sr, (await xapi.srGetVirtualAllocation(ref)) + delta, capacity)
}
