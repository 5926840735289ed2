import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { withoutKey } from '../maps.ts'
import { featuresOf } from '../rules.ts'
import { nullRef } from '../schema/field.ts'
import { Unimplemented } from '../storage/errors.ts'
import { dbg, fromStorage, place, requirePlugged } from './storage-call.ts'
import { srOf } from './vdi.ts'

/**
 * Shows a drive as attached, and attaches its disk where the toolstack is to do that.
 * Throws XapiError VDI_IN_USE where another drive has the disk and one of them may write.
 */
export async function attachDrive(call: Call, vbd: Ref): Promise<void> {
  const { store, vmOptions } = call.services
  const { VDI: vdi, mode, userdevice, currently_attached: attached } = store.get('VBD', vbd)
  if (attached) return
  if (vdi !== nullRef) {
    requirePlugged(call, srOf(call, vdi))
    requireFree(call, vdi, mode)
    // Nobody else may take it while its driver is busy.
    store.update('VBD', vbd, { reserved: true })
    try {
      if (vmOptions.attachDisks) await open(call, vdi, mode === 'RW')
    } catch (error) {
      store.update('VBD', vbd, { reserved: false })
      throw error
    }
  }
  store.update('VBD', vbd, { currently_attached: true, reserved: false, device: deviceName(userdevice) })
}

/** Closes the disks of drives that stay attached in the records, as those of a VM that is suspended do. */
export async function closeDisks(call: Call, vm: Ref): Promise<void> {
  for (const { VDI: vdi } of disksInUse(call, vm)) await close(call, vdi)
}

/** Opens what `closeDisks` closed: all, or none. */
export async function openDisks(call: Call, vm: Ref): Promise<void> {
  const opened: Ref[] = []
  try {
    for (const { VDI: vdi, mode } of disksInUse(call, vm)) {
      await open(call, vdi, mode === 'RW')
      opened.push(vdi)
    }
  } catch (error) {
    for (const vdi of opened.reverse()) {
      await close(call, vdi).catch((second: unknown) => {
        call.services.log.error(`a disk of a VM that was not resumed stays open: ${String(second)}`)
      })
    }
    throw error
  }
}

/** Attached drives with a disk, where the toolstack is to open disks at all. */
function disksInUse({ services: { store, vmOptions } }: Call, vm: Ref): { readonly VDI: Ref; readonly mode: string }[] {
  if (!vmOptions.attachDisks) return []
  const drives = store.where('VBD', 'VM', vm).map(vbd => store.get('VBD', vbd))
  return drives.filter(drive => drive.currently_attached && drive.VDI !== nullRef)
}

/** The reverse of `attachDrive`. */
export async function detachDrive(call: Call, vbd: Ref): Promise<void> {
  const { store, vmOptions } = call.services
  const { VM: vm, VDI: vdi, currently_attached: attached } = store.get('VBD', vbd)
  if (!attached) return
  const isOpen = vmOptions.attachDisks && store.get('VM', vm).power_state !== 'Suspended'
  if (vdi !== nullRef && isOpen) await close(call, vdi)
  store.update('VBD', vbd, { currently_attached: false, reserved: false })
}

function requireFree(call: Call, vdi: Ref, mode: string): void {
  const { store } = call.services
  if (store.get('VDI', vdi).sharable) return
  const others = store.where('VBD', 'VDI', vdi).map(other => store.get('VBD', other))
  const using = others.filter(other => other.currently_attached || other.reserved)
  if (using.some(other => mode === 'RW' || other.mode === 'RW')) throw new XapiError('VDI_IN_USE', [vdi, 'attach'])
}

/** What was begun is undone where a later step fails. */
async function open(call: Call, vdi: Ref, writable: boolean): Promise<void> {
  const { store, storage } = call.services
  const sr = srOf(call, vdi)
  const [context, where] = [dbg(call), place(call, vdi)]
  await fromStorage(sr, optional(storage.VDI.epoch_begin(context, where)))
  await fromStorage(sr, storage.VDI.attach2(context, where, writable))
  try {
    if (Object.hasOwn(featuresOf(store, sr), 'VDI_ACTIVATE')) {
      await fromStorage(sr, storage.VDI.activate(context, where, writable))
    }
  } catch (error) {
    await storage.VDI.detach(context, where).catch((second: unknown) => {
      call.services.log.error(`a disk that could not be activated stays attached: ${String(second)}`)
    })
    throw error
  }
  if (writable) forgetContentId(call, vdi)
}

async function close(call: Call, vdi: Ref): Promise<void> {
  const { store, storage } = call.services
  const sr = srOf(call, vdi)
  const [context, where] = [dbg(call), place(call, vdi)]
  if (Object.hasOwn(featuresOf(store, sr), 'VDI_ACTIVATE')) {
    await fromStorage(sr, storage.VDI.deactivate(context, where))
  }
  await fromStorage(sr, storage.VDI.detach(context, where))
  await fromStorage(sr, optional(storage.VDI.epoch_end(context, where)))
  const { other_config: config } = store.get('VDI', vdi)
  if (!Object.hasOwn(config, 'content_id')) {
    store.update('VDI', vdi, { other_config: { ...config, content_id: call.services.system.newUuid() } })
  }
}

/** A disk that a guest may write to holds no known content (spec toolstack 7). */
function forgetContentId(call: Call, vdi: Ref): void {
  const { store } = call.services
  store.update('VDI', vdi, { other_config: withoutKey(store.get('VDI', vdi).other_config, 'content_id') })
}

async function optional(calling: Promise<void>): Promise<void> {
  try {
    await calling
  } catch (error) {
    if (!(error instanceof Unimplemented)) throw error
  }
}

function deviceName(userdevice: string): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  const number = Number(userdevice)
  return number < letters.length ? `xvd${letters.charAt(number)}` : `d${userdevice}`
}
