import { maskSecrets } from '../lib/os/log.ts'
import { kindOf, type Sr, type Vdi } from './records.ts'

/** An SR as `--json` shows it: its record, its reference and its connection. Sizes in bytes. */
export function srJson({ ref, record, pbd }: Sr): Record<string, unknown> {
  const connection =
    pbd === undefined
      ? null
      : {
          ref: pbd.ref,
          uuid: pbd.record.uuid,
          currently_attached: pbd.record.currently_attached,
          device_config: maskSecrets(pbd.record.device_config),
        }
  return { ref, ...record, pbd: connection }
}

/** A VDI as `--json` shows it: its record, its reference and its kind (`disk`, `snapshot`, `base copy`). Sizes in bytes. */
export function vdiJson({ ref, record }: Vdi): Record<string, unknown> {
  return { ref, kind: kindOf(record), ...record }
}
