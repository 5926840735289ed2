/** One image file of an SR as the tree shows it. Sizes in bytes. */
export interface TreeImage {
  readonly uuid: string
  readonly virtualSize: number
  readonly bytesOnDisk: number
  readonly hidden: boolean
  readonly raw: boolean
  /** Uuid of the parent, undefined for a root. */
  readonly parent: string | undefined
  /** Why its headers cannot be read. */
  readonly problem?: string | undefined
}

/** What the database knows of an image. */
export interface TreeRecord {
  readonly uuid: string
  readonly nameLabel: string
  /** Undefined for a disk. */
  readonly snapshot: { readonly time: string; readonly ofUuid: string | undefined; readonly ofName: string } | undefined
}

export interface TreeNode {
  readonly image: TreeImage
  readonly record: TreeRecord | undefined
  readonly children: readonly TreeNode[]
  /** A root that names a parent which is not there, or that is part of a loop. */
  readonly orphan: boolean
}

/**
 * The images of an SR as trees: parents before children; disks before snapshots, these by time, base copies last. Every
 * image appears exactly once, also where parents are missing or form a loop. Pure.
 */
export function buildForest(images: readonly TreeImage[], records: ReadonlyMap<string, TreeRecord>): TreeNode[] {
  const known = new Map(images.map(image => [image.uuid, image]))
  const children = groupByParent(images, known)
  const placed = new Set<string>()
  const grow = (image: TreeImage, orphan: boolean): TreeNode => {
    placed.add(image.uuid)
    const below = (children.get(image.uuid) ?? []).filter(child => !placed.has(child.uuid))
    const nodes = below.map(child => grow(child, false))
    return { image, record: records.get(image.uuid), children: nodes.sort(compareNodes), orphan }
  }
  const roots = images.filter(({ parent }) => parent === undefined || !known.has(parent))
  const forest = roots.map(root => grow(root, root.parent !== undefined))
  for (const image of images) if (!placed.has(image.uuid)) forest.push(grow(image, true))
  return forest.sort(compareNodes)
}

function groupByParent(
  images: readonly TreeImage[],
  known: ReadonlyMap<string, TreeImage>,
): ReadonlyMap<string, readonly TreeImage[]> {
  const children = new Map<string, TreeImage[]>()
  for (const image of images) {
    if (image.parent === undefined || !known.has(image.parent)) continue
    const siblings = children.get(image.parent)
    if (siblings === undefined) children.set(image.parent, [image])
    else siblings.push(image)
  }
  return children
}

function compareNodes(a: TreeNode, b: TreeNode): number {
  const order = rank(a) - rank(b)
  return order === 0 ? sortText(a).localeCompare(sortText(b)) : order
}

function rank({ image, record }: TreeNode): number {
  if (image.hidden) return 2
  return record?.snapshot === undefined ? 0 : 1
}

function sortText({ image, record }: TreeNode): string {
  return `${record?.snapshot?.time ?? record?.nameLabel ?? ''} ${image.uuid}`
}
