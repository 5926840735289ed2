import { svg } from './dom.ts'
import { formatDate, formatSize, nameOf } from './format.ts'
import { kindOf, placeImages, type Placed } from './tree.ts'
import type { Vdi } from './model.ts'

const rowHeight = 34
const indent = 28
const left = 14

/** Draws the images of an SR as a tree; what just changed is shown to have changed. */
export function drawTree(images: ReadonlyMap<string, Vdi>, changed: ReadonlySet<string>, name: string): SVGElement {
  const placed = placeImages(images)
  const height = Math.max(1, placed.length) * rowHeight
  const counts = ['disk', 'snapshot', 'base'].map(kind => placed.filter(({ vdi }) => kindOf(vdi) === kind).length)
  const [disks = 0, snapshots = 0, bases = 0] = counts
  const description = `${name}: ${disks} disks, ${snapshots} snapshots, ${bases} base copies`
  return svg(
    'svg',
    { class: 'tree', width: '620', height: String(height), viewBox: `0 0 620 ${height}`, role: 'img' },
    svg('title', {}, description),
    ...placed.map(drawLink),
    ...placed.map(image => drawImage(image, changed.has(image.ref))),
  )
}

function drawLink({ depth, row, parentRow }: Placed): SVGElement {
  if (parentRow === undefined) return svg('g')
  const x = left + (depth - 1) * indent
  const path = `M ${x} ${middle(parentRow) + 9} V ${middle(row)} H ${x + indent - 10}`
  return svg('path', { class: 'link', d: path })
}

function drawImage({ ref, vdi, depth, row }: Placed, isChanged: boolean): SVGElement {
  const [x, y] = [left + depth * indent, middle(row)]
  const kind = kindOf(vdi)
  return svg(
    'g',
    { 'data-ref': ref, 'data-kind': kind, class: isChanged ? 'image changed' : 'image' },
    drawMark(kind, x, y),
    svg('text', { x: String(x + 18), y: String(y - 1) }, kind === 'base' ? 'base copy' : nameOf(vdi)),
    svg('text', { x: String(x + 18), y: String(y + 13), class: 'detail' }, detailOf(vdi)),
  )
}

function drawMark(kind: string, x: number, y: number): SVGElement {
  const cls = `mark ${kind}`
  if (kind === 'snapshot') return svg('circle', { class: cls, cx: String(x), cy: String(y), r: '8' })
  return svg('rect', { class: cls, x: String(x - 8), y: String(y - 8), width: '16', height: '16', rx: '3' })
}

function detailOf(vdi: Vdi): string {
  const sizes = `${formatSize(vdi.virtual_size)}, ${formatSize(vdi.physical_utilisation)} on disk`
  const time = kindOf(vdi) === 'snapshot' ? `, ${formatDate(vdi.snapshot_time)}` : ''
  return `${vdi.uuid.slice(0, 8)} · ${sizes}${time}`
}

function middle(row: number): number {
  return row * rowHeight + rowHeight / 2
}
