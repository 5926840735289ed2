import { ApiError, type Api } from './api.ts'
import { byId, el } from './dom.ts'
import { formatSize, nameOf } from './format.ts'
import type { Model } from './model.ts'
import type { Choice } from './views.ts'

interface DiskPlan {
  readonly target: string
  readonly outcome: 'in place' | 'clone' | 'blocked'
  readonly mode: string
  readonly virtual_size: number
  readonly space_needed: number
  readonly depth_before: number
  readonly depth_after: number
  readonly reasons: readonly string[]
}

interface VmPlan {
  readonly power_state: string
  readonly disks: readonly DiskPlan[]
  readonly left_out: readonly string[]
}

/** Shows what a revert would do, and does it only when that is confirmed. */
export class PlanDialog {
  readonly #api: Api
  #model: Model | undefined
  readonly #dialog = byId('plan') as HTMLDialogElement
  readonly #confirm = byId('plan-confirm') as HTMLButtonElement
  #choice: Choice | undefined

  constructor(api: Api) {
    this.#api = api
    byId('plan-cancel').addEventListener('click', () => {
      this.#dialog.close()
    })
    this.#confirm.addEventListener('click', () => {
      void this.#revert()
    })
  }

  async open(choice: Choice, model: Model): Promise<void> {
    this.#model = model
    this.#choice = choice
    this.#confirm.disabled = true
    byId('plan-heading').textContent = `Revert ${choice.title}?`
    byId('plan-body').replaceChildren(el('p', { class: 'quiet' }, 'Asking what would happen…'))
    byId('plan-error').textContent = ''
    this.#dialog.showModal()
    try {
      this.#show(await this.#plan(choice))
    } catch (error) {
      this.#fail(error)
    }
  }

  async #plan({ kind, snapshot }: Choice): Promise<VmPlan> {
    if (kind === 'VM') return (await this.#api.call('sm.plan_vm_revert', snapshot)) as VmPlan
    const disk = (await this.#api.call('sm.plan_vdi_revert', snapshot)) as DiskPlan
    return { power_state: '', disks: [disk], left_out: [] }
  }

  #show(plan: VmPlan): void {
    const { disks, power_state: state, left_out: leftOut } = plan
    const isHalted = state === '' || state === 'Halted'
    const names = leftOut.map(ref => this.#nameOf(ref)).join(', ')
    const blocked = disks.some(({ outcome }) => outcome === 'blocked')
    const cloned = this.#choice?.kind === 'VDI' && disks.some(({ outcome }) => outcome === 'clone')
    byId('plan-body').replaceChildren(
      el('p', {}, 'What was written since the snapshot is lost. Nothing has been changed yet.'),
      ...(isHalted ? [] : [el('p', {}, `The virtual machine is ${state.toLowerCase()} and will be shut down first.`)]),
      this.#table(disks),
      ...(names === '' ? [] : [el('p', {}, `Not in the snapshot, and kept without a drive: ${names}.`)]),
    )
    byId('plan-error').textContent = blocked ? 'Something stands in the way: see the table.' : ''
    if (cloned)
      byId('plan-error').textContent =
        'This storage cannot revert a disk in place. A virtual machine can be reverted by clones.'
    this.#confirm.disabled = blocked || cloned
    if (!this.#confirm.disabled) this.#confirm.focus()
  }

  #table(disks: readonly DiskPlan[]): HTMLElement {
    const heads = ['Disk', 'How', 'Size afterwards', 'Chain', 'Room needed'].map(text =>
      el('th', { scope: 'col' }, text),
    )
    const rows = disks.map(disk => {
      const outcome = el('td', { class: `outcome-${disk.outcome.replace(' ', '-')}` }, describe(disk))
      const isKnown = disk.outcome === 'in place' && disk.depth_after > 0
      const chain = isKnown ? `${disk.depth_before} → ${disk.depth_after} images` : '–'
      const size = disk.virtual_size > 0 ? formatSize(disk.virtual_size) : '–'
      const room = isKnown ? formatSize(disk.space_needed) : '–'
      const cells = [size, chain, room].map(text => el('td', {}, text))
      return el('tr', {}, el('td', {}, this.#nameOf(disk.target)), outcome, ...cells)
    })
    return el('table', {}, el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...rows))
  }

  #nameOf(vdi: string): string {
    return nameOf(this.#model?.vdi.get(vdi))
  }

  async #revert(): Promise<void> {
    if (this.#choice === undefined) return
    const { kind, snapshot, title } = this.#choice
    this.#confirm.disabled = true
    try {
      await this.#api.callAsync(`${kind}.revert`, snapshot)
      this.#dialog.close()
      byId('state').textContent = `Reverted ${title}`
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const message = error instanceof ApiError || error instanceof Error ? error.message : String(error)
    byId('plan-error').textContent = message
  }
}

/** What the driver does for it. */
const ways: Readonly<Record<string, string | undefined>> = {
  relink: ': a new, empty image on what the snapshot builds on',
  split: ": the snapshot's image becomes a base copy of both",
  nothing: ': nothing was written since',
}

function describe({ outcome, mode, reasons }: DiskPlan): string {
  const why = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`
  switch (outcome) {
    case 'in place':
      return `in place, keeps its identity${ways[mode] ?? ''}`
    case 'clone':
      return `by a clone, which gets a new identity${why}`
    case 'blocked':
      return `not possible${why}`
  }
}
