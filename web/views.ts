import { el } from './dom.ts'
import { drawTree } from './draw.ts'
import { formatDate, formatSize, nameOf } from './format.ts'
import type { Model, Sr, Vm } from './model.ts'

/** What the user wants to go back to. */
export interface Choice {
  readonly kind: 'VM' | 'VDI'
  readonly snapshot: string
  readonly title: string
}

export type OnRevert = (choice: Choice) => void

/** A card for each SR: its images as a tree, and its snapshots with a way back to each. */
export function srCards(model: Model, onRevert: OnRevert): HTMLElement[] {
  const cards = sorted(model.sr).map(([ref, sr]) => srCard(model, [ref, sr], onRevert))
  return cards.length > 0 ? cards : [el('p', { class: 'quiet' }, 'There are no storage repositories yet.')]
}

function srCard(model: Model, [ref, sr]: readonly [string, Sr], onRevert: OnRevert): HTMLElement {
  const images = new Map([...model.vdi].filter(([, vdi]) => vdi.SR === ref))
  const inPlace = sr.allowed_operations.includes('vdi_revert') ? 'reverts in place' : 'reverts by cloning'
  const snapshots = [...images].filter(([, vdi]) => vdi.managed && vdi.is_a_snapshot)
  const rows = snapshots.map(([snapshot, vdi]) => {
    const title = `disk ${nameOf(model.vdi.get(vdi.snapshot_of))} to snapshot ${nameOf(vdi)}`
    const label = `${nameOf(vdi)}, ${formatDate(vdi.snapshot_time)}`
    return row(label, `of ${nameOf(model.vdi.get(vdi.snapshot_of))}`, {
      title,
      onClick: choose(onRevert, 'VDI', snapshot, title),
    })
  })
  return el(
    'article',
    { class: 'card', 'data-ref': ref },
    titleOf(
      sr.name_label,
      `${sr.type} · ${formatSize(sr.physical_utilisation)} of ${formatSize(sr.physical_size)} used · ${inPlace}`,
    ),
    drawTree(images, model.changed, sr.name_label),
    ...(rows.length === 0 ? [] : [el('h4', {}, 'Snapshots of disks'), el('ul', { class: 'rows' }, ...rows)]),
  )
}

/** A card for each VM: its disks, and its snapshots with a way back to each. */
export function vmCards(model: Model, onRevert: OnRevert): HTMLElement[] {
  const machines = sorted(model.vm).filter(([, vm]) => !vm.is_a_template && !vm.is_control_domain)
  const cards = machines.map(([ref, vm]) => vmCard(model, [ref, vm], onRevert))
  return cards.length > 0 ? cards : [el('p', { class: 'quiet' }, 'There are no virtual machines.')]
}

function vmCard(model: Model, [ref, vm]: readonly [string, Vm], onRevert: OnRevert): HTMLElement {
  const drives = [...model.vbd.values()].filter(vbd => vbd.VM === ref && vbd.type === 'Disk')
  const disks = drives
    .sort((a, b) => Number(a.userdevice) - Number(b.userdevice))
    .map(({ userdevice, VDI }) => {
      const vdi = model.vdi.get(VDI)
      const detail = vdi === undefined ? '' : `${formatSize(vdi.virtual_size)} · ${vdi.uuid}`
      return el('li', {}, el('span', { class: 'grow' }, `${userdevice}: ${nameOf(vdi)} `, quiet(detail)))
    })
  const snapshots = [...model.vm]
    .filter(([, other]) => other.is_a_snapshot && other.snapshot_of === ref)
    .sort(([, a], [, b]) => (a.snapshot_time < b.snapshot_time ? -1 : 1))
    .map(([snapshot, { name_label: name, snapshot_time: time }]) => {
      const title = `${vm.name_label} to snapshot ${name}`
      return row(name, formatDate(time), { title, onClick: choose(onRevert, 'VM', snapshot, title) })
    })
  const badge = el('span', { class: `badge ${vm.power_state.toLowerCase()}` }, vm.power_state)
  return el(
    'article',
    { class: 'card', 'data-ref': ref },
    el('div', { class: 'title' }, el('h3', {}, vm.name_label), badge),
    el('h4', {}, 'Disks'),
    disks.length === 0 ? quiet('none') : el('ul', { class: 'rows' }, ...disks),
    el('h4', {}, 'Snapshots'),
    snapshots.length === 0 ? quiet('none') : el('ul', { class: 'rows' }, ...snapshots),
  )
}

interface Button {
  readonly title: string
  readonly onClick: () => void
}

function row(label: string, detail: string, { title, onClick }: Button): HTMLElement {
  const button = el('button', { type: 'button', 'aria-label': `Revert ${title}`, click: onClick }, 'Revert…')
  return el('li', {}, el('span', { class: 'grow' }, `${label} `, quiet(detail)), button)
}

function choose(onRevert: OnRevert, kind: Choice['kind'], snapshot: string, title: string): () => void {
  return () => {
    onRevert({ kind, snapshot, title })
  }
}

function titleOf(name: string, detail: string): HTMLElement {
  return el('div', { class: 'title' }, el('h3', {}, name), quiet(detail))
}

function quiet(text: string): HTMLElement {
  return el('span', { class: 'quiet' }, text)
}

function sorted<T extends { readonly name_label: string; readonly uuid: string }>(
  objects: ReadonlyMap<string, T>,
): [string, T][] {
  const key = ({ name_label: name, uuid }: T) => `${name}\u0000${uuid}`
  return [...objects].sort(([, a], [, b]) => (key(a) < key(b) ? -1 : 1))
}
