import { formatDate } from '../format/date.ts'
import { formatSize } from '../format/sizes.ts'
import { printable, shortUuid } from '../format/text.ts'
import type { TreeNode } from './forest.ts'

export interface TreeStyle {
  readonly ascii: boolean
  readonly dim: (text: string) => string
}

interface Glyphs {
  readonly branch: string
  readonly last: string
  readonly through: string
  readonly base: string
  readonly snapshot: string
  readonly arrow: string
  readonly gap: string
}

const UNICODE: Glyphs = {
  branch: '├─ ',
  last: '└─ ',
  through: '│  ',
  base: '▪ ',
  snapshot: '○ ',
  arrow: '←',
  gap: '   ',
}
const ASCII: Glyphs = {
  branch: '|- ',
  last: '`- ',
  through: '|  ',
  base: '# ',
  snapshot: 'o ',
  arrow: '<-',
  gap: '   ',
}

/** The lines below the heading of an SR. */
export function renderForest(forest: readonly TreeNode[], style: TreeStyle): string {
  return renderLevel(forest, '', { ...style, glyphs: style.ascii ? ASCII : UNICODE })
}

/** Whether the locale shows more than ASCII. */
export function isUnicodeLocale(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(value => value !== undefined && value !== '')
  return /utf-?8/i.test(locale ?? '')
}

type Drawing = TreeStyle & { readonly glyphs: Glyphs }

function renderLevel(nodes: readonly TreeNode[], indent: string, drawing: Drawing): string {
  const { branch, last, through, gap } = drawing.glyphs
  return nodes
    .map((node, index) => {
      const isLast = index === nodes.length - 1
      const line = `${indent}${isLast ? last : branch}${describe(node, drawing)}\n`
      return line + renderLevel(node.children, indent + (isLast ? gap : through), drawing)
    })
    .join('')
}

function describe(node: TreeNode, drawing: Drawing): string {
  const { image, orphan } = node
  const parts = [`${title(node, drawing.glyphs)} ${drawing.dim(shortUuid(image.uuid))}`]
  if (image.problem !== undefined) return [...parts, `cannot be read: ${printable(image.problem)}`].join('  ')
  parts.push(`${formatSize(image.virtualSize)}, ${formatSize(image.bytesOnDisk)} on disk`)
  if (image.raw) parts.push('raw')
  const note = noteOn(node, drawing.glyphs)
  if (note !== undefined) parts.push(note)
  if (orphan) parts.push(`its parent ${shortUuid(image.parent ?? '')} is missing`)
  return parts.join('  ')
}

function title({ image, record }: TreeNode, glyphs: Glyphs): string {
  if (image.hidden) return `${glyphs.base}base copy`
  const name = printable(record?.nameLabel ?? '')
  const shown = name === '' ? '(no name)' : name
  return record?.snapshot === undefined ? shown : `${glyphs.snapshot}${shown}`
}

function noteOn({ image, record, children }: TreeNode, { arrow }: Glyphs): string | undefined {
  if (image.hidden) return children.length === 0 ? 'hidden, unused' : 'hidden'
  if (record === undefined) return 'not in the database: run sm sr-scan'
  if (record.snapshot === undefined) return `${arrow} you can write here`
  const { ofUuid, ofName, time } = record.snapshot
  const of = ofUuid === undefined ? 'a disk that is gone' : ofName === '' ? shortUuid(ofUuid) : printable(ofName)
  return `snapshot of ${of}, ${formatDate(time)}`
}
