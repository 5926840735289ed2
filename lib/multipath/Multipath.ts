import type { LvmDeps } from '../lvm/Lvm.ts'
import type { ScsiDeps } from '../scsi/deps.ts'
import { byIdPath } from '../scsi/links.ts'
import type { StringMap } from '../xapi/XapiClient.ts'

/** What multipathing works with; a driver's `Context` is one. */
export type MultipathDeps = ScsiDeps & LvmDeps

/**
 * How this host gets from the paths of a LUN to the one device that an SR is made on (spec iscsi-hba 7). Without
 * multipathing nothing happens in any of these and the device is one of the paths.
 */
export interface Multipath {
  readonly isOn: boolean
  /** Has the daemon run and answer. @throws SmError MultipathdCommsFailure (430) */
  activate(): Promise<void>
  /**
   * Makes the map of a disk, where the disk is one for multipathing.
   * @throws SmError MultipathDeviceNoScsiid (434), MultipathDeviceNotAppeared (433), MultipathGenericFailure (431),
   * MultipathMapperPathMissing (432)
   */
  refresh(scsiId: string): Promise<void>
  /** The device of a disk. It need not be there. */
  path(scsiId: string): Promise<string>
  /** Takes the map of a disk away, before its paths go. Nothing happens where it has none. */
  reset(scsiId: string): Promise<void>
  /** Whether a map of the disk is in use or at least there. */
  hasMap(scsiId: string): Promise<boolean>
}

/**
 * Whether a host uses multipathing: what the request says for itself if it says both (a disk that is attached with xapi not
 * there), else what the host is set to (spec iscsi-hba 7).
 */
export function isMultipathing(deviceConfig: StringMap, hostConfig: StringMap): boolean {
  const own = deviceConfig['multipathing'] !== undefined && deviceConfig['multipathhandle'] !== undefined
  return (own ? deviceConfig : hostConfig)['multipathing'] === 'true'
}

/** Multipathing of a host that does none. */
export class SinglePath implements Multipath {
  readonly isOn = false
  readonly #deps: MultipathDeps

  constructor(deps: MultipathDeps) {
    this.#deps = deps
  }

  activate(): Promise<void> {
    return Promise.resolve()
  }

  refresh(_scsiId: string): Promise<void> {
    return Promise.resolve()
  }

  path(scsiId: string): Promise<string> {
    return Promise.resolve(byIdPath(this.#deps, scsiId))
  }

  reset(_scsiId: string): Promise<void> {
    return Promise.resolve()
  }

  hasMap(_scsiId: string): Promise<boolean> {
    return Promise.resolve(false)
  }
}
