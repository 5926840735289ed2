import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import type { CopyEnd } from '../disks/DiskCopier.ts'
import type { Mark } from '../Operations.ts'
import { nullRef } from '../schema/field.ts'
import { method, type ApiMethod, type Arguments } from './method.ts'
import { fromStorage, dbg, place, requirePlugged } from './storage-call.ts'
import { makeDisk, removeDisk, srOf } from './vdi.ts'

const copied = { vdi: 'ref', sr: 'ref', base_vdi: 'ref', into_vdi: 'ref' } as const

/** `VDI.copy` (spec toolstack 9). A base only says what need not be copied again, so ignoring it is right. */
export const vdiCopyMethods: readonly ApiMethod[] = [
  method(['VDI.copy', copied, 'ref'], copyVdi, { fallbacks: { base_vdi: nullRef, into_vdi: nullRef } }),
]

async function copyVdi(call: Call, { vdi, sr, into_vdi: into }: Arguments<typeof copied>): Promise<Ref> {
  const { operations } = call.services
  const marks: readonly Mark[] = [{ className: 'VDI', ref: vdi, operation: 'copy' }]
  return operations.run(call, marks, async () => {
    requirePlugged(call, srOf(call, vdi))
    if (into === nullRef) {
      const mark: Mark = { className: 'SR', ref: sr, operation: 'vdi_create' }
      const made = await operations.run(call, [mark], () => makeLike(call, vdi, sr))
      await copyContents(call, vdi, made)
      return made
    }
    requireRoom(call, vdi, into)
    const target: Mark = { className: 'VDI', ref: into, operation: 'copy' }
    return operations.run(call, [target], async () => {
      requirePlugged(call, srOf(call, into))
      await copyData(call, vdi, into)
      return into
    })
  })
}

function requireRoom({ services: { store } }: Call, vdi: Ref, into: Ref): void {
  const target = store.get('VDI', into)
  if (target.read_only) throw new XapiError('VDI_READONLY', [into])
  const needed = store.get('VDI', vdi).virtual_size
  if (target.virtual_size < needed) throw new XapiError('VDI_TOO_SMALL', [into, String(needed)])
}

/** An empty disk with the description of another. */
export async function makeLike(call: Call, source: Ref, sr: Ref): Promise<Ref> {
  const from = call.services.store.get('VDI', source)
  const vdi = {
    name_label: from.name_label,
    name_description: from.name_description,
    ty: from.type,
    virtual_size: from.virtual_size,
    read_only: false,
    sm_config: {},
  }
  const { other_config, sharable, tags, xenstore_data } = from
  return makeDisk(call, sr, vdi, { other_config, sharable, tags, xenstore_data })
}

/** Fills a disk that was made for it; where that fails the disk is removed again. */
export async function copyContents(call: Call, source: Ref, made: Ref): Promise<void> {
  try {
    await copyData(call, source, made)
  } catch (error) {
    try {
      await removeDisk(call, made)
    } catch (second) {
      call.services.log.error(`the disk of a failed copy stays: ${String(second)}`)
    }
    throw error
  }
}

async function copyData(call: Call, source: Ref, target: Ref): Promise<void> {
  const { copier } = call.services
  await fromStorage(srOf(call, target), copier.copy(dbg(call), endOf(call, source), endOf(call, target)))
}

function endOf(call: Call, vdi: Ref): CopyEnd {
  const { store } = call.services
  const { uuid } = store.get('VDI', vdi)
  return { ...place(call, vdi), type: store.get('SR', srOf(call, vdi)).type, uuid }
}
