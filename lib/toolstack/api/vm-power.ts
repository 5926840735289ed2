import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { nullRef } from '../schema/field.ts'
import { method, type ApiMethod } from './method.ts'
import { makeDisk, destroyVdi } from './vdi.ts'
import { attachDrive, closeDisks, detachDrive, openDisks } from './vm-drives.ts'

const vm = { vm: 'ref' } as const
const started = { vm: 'ref', start_paused: 'bool', force: 'bool' } as const
const startedOn = { vm: 'ref', host: 'ref', start_paused: 'bool', force: 'bool' } as const

/** Changes of a VM's power state: there are no domains, only records and perhaps attached disks (spec toolstack 10). */
export const vmPowerMethods: readonly ApiMethod[] = [
  method(['VM.start', started, 'void'], (call, args) =>
    marked(call, args.vm, 'start', () => startVm(call, args.vm, args.start_paused)),
  ),
  method(['VM.start_on', startedOn, 'void'], (call, args) => {
    call.services.store.get('host', args.host)
    return marked(call, args.vm, 'start', () => startVm(call, args.vm, args.start_paused))
  }),
  change('pause', on => setPower(on, 'Paused')),
  change('unpause', on => setPower(on, 'Running')),
  change('clean_shutdown', on => haltVm(on.call, on.vm)),
  change('hard_shutdown', on => haltVm(on.call, on.vm)),
  change('clean_reboot', reboot),
  change('hard_reboot', reboot),
  change('suspend', on => suspendVm(on.call, on.vm)),
  method(['VM.resume', started, 'void'], (call, args) =>
    marked(call, args.vm, 'resume', () => resumeVm(call, args.vm, args.start_paused)),
  ),
]

interface OnVm {
  readonly call: Call
  readonly vm: Ref
}

function change(name: string, body: (on: OnVm) => Promise<void>): ApiMethod {
  return method([`VM.${name}`, vm, 'void'], (call, args) =>
    marked(call, args.vm, name, () => body({ call, vm: args.vm })),
  )
}

function marked(call: Call, ref: Ref, operation: string, body: () => Promise<void>): Promise<void> {
  return call.services.operations.run(call, [{ className: 'VM', ref, operation }], body)
}

async function startVm(call: Call, ref: Ref, paused: boolean): Promise<void> {
  const { store, host } = call.services
  await attachDrives(call, ref)
  store.update('VM', ref, { power_state: paused ? 'Paused' : 'Running', resident_on: host })
}

/** All drives or none. */
async function attachDrives(call: Call, ref: Ref): Promise<void> {
  const { store, log } = call.services
  const attached: Ref[] = []
  try {
    for (const vbd of store.where('VBD', 'VM', ref)) {
      if (store.get('VBD', vbd).currently_attached) continue
      await attachDrive(call, vbd)
      attached.push(vbd)
    }
  } catch (error) {
    for (const vbd of attached.reverse()) {
      await detachDrive(call, vbd).catch((second: unknown) => {
        log.error(`a drive of a VM that did not start stays attached: ${String(second)}`)
      })
    }
    throw error
  }
}

function setPower({ call, vm: ref }: OnVm, state: string): Promise<void> {
  call.services.store.update('VM', ref, { power_state: state })
  return Promise.resolve()
}

async function reboot({ call, vm: ref }: OnVm): Promise<void> {
  await haltVm(call, ref)
  await startVm(call, ref, false)
}

/** Ends a VM in whatever state it is: its disks are free afterwards and saved memory is gone. */
export async function haltVm(call: Call, ref: Ref): Promise<void> {
  const { store } = call.services
  for (const vbd of store.where('VBD', 'VM', ref)) await detachDrive(call, vbd)
  const { suspend_VDI: suspended } = store.get('VM', ref)
  store.update('VM', ref, { power_state: 'Halted', resident_on: nullRef, suspend_VDI: nullRef })
  if (store.has('VDI', suspended)) await destroyVdi(call, suspended)
}

/** Its drives stay attached in the records, as they do in xapi: nobody else may take its disks, though they are closed. */
export async function suspendVm(call: Call, ref: Ref): Promise<void> {
  const { store } = call.services
  const image = await makeSuspendImage(call, ref)
  try {
    await closeDisks(call, ref)
  } catch (error) {
    await destroyVdi(call, image)
    throw error
  }
  store.update('VM', ref, { power_state: 'Suspended', resident_on: nullRef, suspend_VDI: image })
}

async function makeSuspendImage(call: Call, ref: Ref): Promise<Ref> {
  const { operations, store, host, pool } = call.services
  const vmRecord = store.get('VM', ref)
  const candidates = [
    vmRecord.suspend_SR,
    store.get('host', host).suspend_image_sr,
    store.get('pool', pool).suspend_image_SR,
    store.get('pool', pool).default_SR,
  ]
  const sr = candidates.find(candidate => store.has('SR', candidate))
  if (sr === undefined) throw new XapiError('VM_NO_SUSPEND_SR', [ref])
  const mebibyte = 1024 * 1024
  const image = {
    name_label: 'Suspend image',
    name_description: `Saved memory of ${vmRecord.name_label}`,
    ty: 'suspend',
    virtual_size: Math.max(mebibyte, Math.ceil(vmRecord.memory_static_max / mebibyte) * mebibyte),
    read_only: false,
    sm_config: {},
  }
  const mark = { className: 'SR', ref: sr, operation: 'vdi_create' } as const
  return operations.run(call, [mark], () => makeDisk(call, sr, image, {}))
}

/** Its disks are open again; the saved memory is used up. */
export async function resumeVm(call: Call, ref: Ref, paused: boolean): Promise<void> {
  const { store, host } = call.services
  const { suspend_VDI: image } = store.get('VM', ref)
  if (!store.has('VDI', image)) throw new XapiError('VM_HAS_NO_SUSPEND_VDI', [ref])
  await openDisks(call, ref)
  await attachDrives(call, ref)
  store.update('VM', ref, { power_state: paused ? 'Paused' : 'Running', resident_on: host, suspend_VDI: nullRef })
  await destroyVdi(call, image)
}
