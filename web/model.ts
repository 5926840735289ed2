import type { Api } from './api.ts'

export interface Vdi {
  readonly uuid: string
  readonly name_label: string
  readonly SR: string
  readonly virtual_size: number
  readonly physical_utilisation: number
  readonly managed: boolean
  readonly is_a_snapshot: boolean
  readonly snapshot_of: string
  readonly snapshot_time: string
  readonly sm_config: Readonly<Record<string, string>>
}

export interface Sr {
  readonly uuid: string
  readonly name_label: string
  readonly type: string
  readonly physical_size: number
  readonly physical_utilisation: number
  readonly allowed_operations: readonly string[]
}

export interface Vm {
  readonly uuid: string
  readonly name_label: string
  readonly power_state: string
  readonly is_a_snapshot: boolean
  readonly is_a_template: boolean
  readonly is_control_domain: boolean
  readonly snapshot_of: string
  readonly snapshot_time: string
}

export interface Vbd {
  readonly VM: string
  readonly VDI: string
  readonly type: string
  readonly userdevice: string
}

interface Classes {
  readonly vdi: Map<string, Vdi>
  readonly sr: Map<string, Sr>
  readonly vm: Map<string, Vm>
  readonly vbd: Map<string, Vbd>
}

interface Event {
  readonly class: string
  readonly operation: string
  readonly ref: string
  readonly snapshot?: unknown
}

/** The objects that the page shows, kept as they are on the server. */
export class Model implements Classes {
  readonly vdi = new Map<string, Vdi>()
  readonly sr = new Map<string, Sr>()
  readonly vm = new Map<string, Vm>()
  readonly vbd = new Map<string, Vbd>()
  /** References of what the last batch of events changed. */
  changed: ReadonlySet<string> = new Set()

  /** Calls back after each batch of events until the signal is aborted or a call fails. */
  async follow(api: Api, onChange: () => void, signal: AbortSignal): Promise<void> {
    const classes = ['vdi', 'sr', 'vm', 'vbd']
    for (let token = ''; !signal.aborted;) {
      const batch = (await api.call('event.from', classes, token, token === '' ? 0 : 30)) as {
        events: readonly Event[]
        token: string
      }
      const isFirst = token === ''
      token = batch.token
      for (const event of batch.events) this.#apply(event)
      this.changed = new Set(isFirst ? [] : batch.events.map(({ ref }) => ref))
      if (isFirst || batch.events.length > 0) onChange()
    }
  }

  #apply({ class: name, operation, ref, snapshot }: Event): void {
    const tables: Readonly<Record<string, Map<string, unknown> | undefined>> = {
      vdi: this.vdi,
      sr: this.sr,
      vm: this.vm,
      vbd: this.vbd,
    }
    if (operation === 'del') tables[name]?.delete(ref)
    else tables[name]?.set(ref, snapshot)
  }
}
