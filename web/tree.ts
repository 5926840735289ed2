import type { Vdi } from './model.ts'

/** An image and its place in the drawing: how deep, and in which row. */
export interface Placed {
  readonly ref: string
  readonly vdi: Vdi
  readonly depth: number
  readonly row: number
  /** Row of the image that it builds on. */
  readonly parentRow: number | undefined
}

/** Places the images of an SR as a forest, parents above their children, each in a row of its own. */
export function placeImages(images: ReadonlyMap<string, Vdi>): Placed[] {
  const byUuid = new Map([...images].map(([ref, vdi]) => [vdi.uuid, ref]))
  const children = new Map<string, string[]>()
  const roots: string[] = []
  for (const [ref, vdi] of images) {
    const parent = byUuid.get(vdi.sm_config['vhd-parent'] ?? '')
    if (parent === undefined || parent === ref) roots.push(ref)
    else children.set(parent, [...(children.get(parent) ?? []), ref])
  }
  const placed: Placed[] = []
  const place = (ref: string, depth: number, parentRow: number | undefined): void => {
    const vdi = images.get(ref)
    if (vdi === undefined) return
    const row = placed.length
    placed.push({ ref, vdi, depth, row, parentRow })
    for (const child of inOrder(images, children.get(ref) ?? [])) place(child, depth + 1, row)
  }
  for (const root of inOrder(images, roots)) place(root, 0, undefined)
  return placed
}

/** Base copies first, then snapshots by time, then disks. */
function inOrder(images: ReadonlyMap<string, Vdi>, refs: readonly string[]): string[] {
  const key = (ref: string): string => {
    const vdi = images.get(ref)
    if (vdi === undefined) return ''
    const rank = !vdi.managed ? '0' : vdi.is_a_snapshot ? '1' : '2'
    return `${rank}${vdi.is_a_snapshot ? vdi.snapshot_time : ''}${vdi.name_label}${vdi.uuid}`
  }
  return [...refs].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

export function kindOf({ managed, is_a_snapshot: isSnapshot }: Vdi): 'base' | 'snapshot' | 'disk' {
  if (!managed) return 'base'
  return isSnapshot ? 'snapshot' : 'disk'
}
