import type { Files } from '../../lib/os/files.ts'
import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import type { Colours } from '../format/colour.ts'
import { formatSize } from '../format/sizes.ts'
import { printable, shortUuid } from '../format/text.ts'
import { vdisOf, type Sr, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { buildForest, type TreeImage, type TreeNode, type TreeRecord } from './forest.ts'
import { renderForest } from './render.ts'

/** The images of an SR as they lie on storage, with what the database says of them. */
export interface SrTree {
  readonly sr: Sr
  readonly images: readonly TreeImage[]
  readonly forest: readonly TreeNode[]
}

/** Whether the images of an SR can be looked at here: its directory is attached, or this host sees its volume group. */
export async function isReadable({ environment, ...connection }: Connection, sr: Sr): Promise<boolean> {
  const { groupOf, hasVolumes } = await import('./volumeImages.ts')
  if (hasVolumes(sr)) return groupOf({ environment, ...connection }, sr).exists()
  const { isMounted } = await import('../../drivers/file/mount.ts')
  return isMounted(environment.system.files, environment.paths.srMount(sr.uuid))
}

/** Reads the images of an attached SR. Throws OperationError where that cannot be. */
export async function readTree(connection: Connection, sr: Sr): Promise<SrTree> {
  if (!(await isReadable(connection, sr))) throw notReadable(sr)
  const vdis = await vdisOf(connection, sr)
  const { hasVolumes, readVolumeImages } = await import('./volumeImages.ts')
  const directory = connection.environment.paths.srMount(sr.uuid)
  const images = hasVolumes(sr) ? await readVolumeImages(connection, sr) : await readImages(connection, directory)
  return { sr, images, forest: buildForest(images, recordsOf(vdis)) }
}

export function drawTree({ sr, images, forest }: SrTree, style: Colours & { readonly ascii: boolean }): string {
  const disks = images.filter(image => !image.hidden).length
  const bytes = images.reduce((sum, image) => sum + image.bytesOnDisk, 0)
  const counts = `${disks} ${disks === 1 ? 'disk' : 'disks'}, ${images.length} ${images.length === 1 ? 'image' : 'images'}`
  const name = style.bold(printable(sr.nameLabel))
  const heading = `${style.dim(shortUuid(sr.uuid))} ${name} (${sr.record.type})  ${counts}, ${formatSize(bytes)}\n`
  return heading + renderForest(forest, style)
}

export function treeJson({ sr, forest }: SrTree): object {
  return { uuid: sr.uuid, name_label: sr.nameLabel, type: sr.record.type, images: forest.map(nodeJson) }
}

function nodeJson({ image, record, children, orphan }: TreeNode): object {
  return {
    uuid: image.uuid,
    name_label: record?.nameLabel ?? null,
    virtual_size: image.virtualSize,
    bytes_on_disk: image.bytesOnDisk,
    hidden: image.hidden,
    raw: image.raw,
    snapshot_of: record?.snapshot?.ofUuid ?? null,
    orphan,
    problem: image.problem ?? null,
    children: children.map(nodeJson),
  }
}

function notReadable(sr: Sr): OperationError {
  return new OperationError(`${nameOf(sr)} is not attached, or keeps its disks elsewhere than in files`, [
    `Attach it: sm pbd-plug ${sr.uuid}`,
  ])
}

async function readImages({ environment }: Connection, directory: string): Promise<TreeImage[]> {
  const { EmbeddedVhdUtil } = await import('../../lib/vhd/EmbeddedVhdUtil.ts')
  const { system } = environment
  const rows = await new EmbeddedVhdUtil(system, { boundary: directory }).scan(directory)
  const images: TreeImage[] = rows.map(row => {
    const uuid = row.name.slice(0, -'.vhd'.length)
    if ('error' in row) return { ...unreadable(uuid), problem: row.error.message }
    const { virtualSize, physicalSize, hidden, parentName } = row
    const parent = parentName?.replace(/\.(?:vhd|raw)$/, '')
    return { uuid, virtualSize, bytesOnDisk: physicalSize, hidden, raw: false, parent }
  })
  return [...images, ...(await rawImages(system.files, directory))]
}

async function rawImages(files: Files, directory: string): Promise<TreeImage[]> {
  const names = (await files.list(directory)).filter(name => name.endsWith('.raw') && !name.startsWith('.'))
  const images: TreeImage[] = []
  for (const name of names) {
    const { size, blocks } = await files.stat(`${directory}/${name}`)
    const uuid = name.slice(0, -'.raw'.length)
    images.push({ uuid, virtualSize: size, bytesOnDisk: blocks * 512, hidden: false, raw: true, parent: undefined })
  }
  return images
}

function unreadable(uuid: string): TreeImage {
  return { uuid, virtualSize: 0, bytesOnDisk: 0, hidden: false, raw: false, parent: undefined }
}

function recordsOf(vdis: readonly Vdi[]): Map<string, TreeRecord> {
  const byRef = new Map(vdis.map(vdi => [vdi.ref, vdi]))
  const toRecord = ({ uuid, nameLabel, record }: Vdi): TreeRecord => {
    if (!record.is_a_snapshot) return { uuid, nameLabel, snapshot: undefined }
    const of = byRef.get(record.snapshot_of)
    return { uuid, nameLabel, snapshot: { time: record.snapshot_time, ofUuid: of?.uuid, ofName: of?.nameLabel ?? '' } }
  }
  return new Map(vdis.map(vdi => [vdi.uuid, toRecord(vdi)]))
}
