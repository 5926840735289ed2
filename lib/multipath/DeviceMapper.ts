import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { withFairlock } from '../lvm/fairlock.ts'
import { CommandError, type RunOptions, type RunResult } from '../os/run.ts'
import { isServiceActive, startService } from '../os/service.ts'
import { rootsOf, within } from '../scsi/deps.ts'
import { waitForDevice } from '../scsi/devices.ts'
import { byIdPath, mapLink, pathNames } from '../scsi/links.ts'
import { rescanAllHosts } from '../scsi/rescan.ts'
import { SmError } from '../smapi/SmError.ts'
import type { Multipath, MultipathDeps } from './Multipath.ts'
import { askDaemon, mapNames } from './multipathd.ts'
import { inUseLink, mapPath } from './names.ts'

const DAEMON = 'multipathd'
const DAEMON_WAIT_MS = 120_000
const DEVICE_WAIT_MS = 60_000
const MAP_WAIT_MS = 30_000
const FLUSH_WAIT_MS = 10_000
const TRIES = 3
const RETRY_MS = 4000

/** The map is gone already, in the words of older and of newer multipath-tools. */
const NO_MAP = /device not found|is not a multipath device/i

/** Multipathing by device-mapper and multipathd (spec iscsi-hba 7). Whatever asks either holds the host's lock of device-mapper. */
export class DeviceMapperMultipath implements Multipath {
  readonly isOn = true
  readonly #deps: MultipathDeps

  constructor(deps: MultipathDeps) {
    this.#deps = deps
  }

  async activate(): Promise<void> {
    const { system } = this.#deps
    const failure = (cause?: unknown) => new SmError('MultipathdCommsFailure', 'multipathd does not answer', { cause })
    if (!(await isServiceActive(system, DAEMON))) {
      await startService(system, DAEMON).catch((error: unknown) => {
        throw failure(error)
      })
    }
    const answers = async () => (await askDaemon(this.#deps, 'help')).includes('switchgroup')
    if (!(await within(this.#deps, DAEMON_WAIT_MS, answers))) throw failure()
  }

  async refresh(scsiId: string): Promise<void> {
    if (scsiId === '') throw new SmError('MultipathDeviceNoScsiid')
    await this.#requireDisk(scsiId)
    if (!(await this.#isForMultipath(scsiId))) return
    await this.#makeMap(scsiId)
    await this.#placeLink(scsiId)
  }

  async path(scsiId: string): Promise<string> {
    const link = inUseLink(this.#deps, scsiId)
    return (await this.#deps.system.files.exists(link)) ? link : byIdPath(this.#deps, scsiId)
  }

  async reset(scsiId: string): Promise<void> {
    const { system, log } = this.#deps
    await system.files.unlinkIfPresent(inUseLink(this.#deps, scsiId))
    if (!(await isServiceActive(system, DAEMON))) {
      log.warn(`multipathd does not run: the map of ${scsiId} is left as it is`)
      return
    }
    await this.#multipath(['-w', scsiId], { okExitCodes: [0, 1] })
    await this.#trying(['-f', scsiId])
    await this.#multipath(['-W'], { okExitCodes: [0, 1] })
    const map = mapPath(this.#deps, scsiId)
    const isGone = async () => !(await system.files.exists(map))
    if (!(await within(this.#deps, FLUSH_WAIT_MS, isGone))) log.warn(`${map} is still there`)
  }

  async hasMap(scsiId: string): Promise<boolean> {
    const { system } = this.#deps
    if (await system.files.exists(mapPath(this.#deps, scsiId))) return true
    return (await isServiceActive(system, DAEMON)) && (await mapNames(this.#deps)).includes(scsiId)
  }

  async #requireDisk(scsiId: string): Promise<void> {
    const disk = byIdPath(this.#deps, scsiId)
    if (await this.#deps.system.files.exists(disk)) return
    await rescanAllHosts(this.#deps)
    if (await waitForDevice(this.#deps, disk, DEVICE_WAIT_MS)) return
    throw new SmError('MultipathDeviceNotAppeared', `${disk} is not there`)
  }

  /** Whether multipathing is for this disk: not for one without known paths, nor for what the configuration leaves out. */
  async #isForMultipath(scsiId: string): Promise<boolean> {
    const names = await pathNames(this.#deps, scsiId)
    if (names.length === 0) return false
    for (const option of ['-l', '-ll']) {
      if ((await this.#multipath([option, scsiId], { okExitCodes: [0, 1] })).stdout.trim() !== '') return true
    }
    await this.#multipath(['-a', scsiId], { okExitCodes: [0, 1] })
    let last: RunResult | undefined
    for (const name of names) {
      // It takes a kernel name, and no link that leads to one.
      last = await this.#multipath(['-c', path.join(rootsOf(this.#deps).dev, name)], { okExitCodes: [0, 1] })
      if (last.exitCode === 0) return true
    }
    if (last !== undefined && last.stdout.trim() !== '') {
      this.#deps.log.info(`${scsiId} is not for multipathing by the configuration`)
      return false
    }
    await this.#multipath(['-w', scsiId], { okExitCodes: [0, 1] })
    throw new SmError('MultipathGenericFailure', `no path of ${scsiId} is usable`)
  }

  async #makeMap(scsiId: string): Promise<void> {
    const map = mapPath(this.#deps, scsiId)
    if (!(await this.#deps.system.files.exists(map))) await this.#trying(['-r', scsiId])
    for (const name of [map, mapLink(this.#deps, scsiId)]) {
      if (!(await waitForDevice(this.#deps, name, MAP_WAIT_MS))) {
        throw new SmError('MultipathMapperPathMissing', `${name} is not there`)
      }
    }
  }

  async #placeLink(scsiId: string): Promise<void> {
    const { files } = this.#deps.system
    const link = inUseLink(this.#deps, scsiId)
    const map = mapPath(this.#deps, scsiId)
    if ((await files.exists(link)) && (await files.readlink(link)) === map) return
    await files.makeDirectory(path.dirname(link), { recursive: true })
    await files.unlinkIfPresent(link)
    await files.symlink(map, link)
  }

  /** What has a device for a moment, as udev has, makes the first try fail. */
  async #trying(args: readonly string[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#multipath(args)
        return
      } catch (error) {
        if (error instanceof CommandError && NO_MAP.test(error.message)) return
        if (attempt === TRIES) throw error
      }
      await sleep(this.#deps.retryMs ?? RETRY_MS)
    }
  }

  #multipath(args: readonly string[], options?: RunOptions): Promise<RunResult> {
    return withFairlock(this.#deps, () => this.#deps.system.run(['multipath', ...args], options))
  }
}
