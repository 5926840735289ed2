import path from 'node:path'
import { setting } from './environment.ts'

/**
 * Every place outside an SR that the suite reads or writes. In dom0 they are the reference's own; with
 * `$SM_ROOT` all of them move under that folder and nothing else is touched.
 */
export class Paths {
  readonly root: string

  constructor(root: string = setting('SM_ROOT') ?? '/') {
    this.root = path.resolve(root)
  }

  /** `/run/sr-mount`: SRs are mounted at `<it>/<sr uuid>`. */
  get srMountBase(): string {
    return this.#under('run/sr-mount')
  }

  srMount(srUuid: string): string {
    return path.join(this.srMountBase, srUuid)
  }

  /** `/var/lock/sm`: lock files at `<it>/<namespace>/<name>`. */
  get lockBase(): string {
    return this.#under('var/lock/sm')
  }

  /** `/run/sm`: refcounts and IPC flags. */
  get runtime(): string {
    return this.#under('run/sm')
  }

  /** `/run/sr-ref`: which SRs use an iSCSI target, one file for each IQN. */
  get srReferences(): string {
    return this.#under('run/sr-ref')
  }

  /** `/run/fairlock/devicemapper`: the socket of the host-wide lock around LVM and dmsetup. */
  get deviceMapperLock(): string {
    return this.#under('run/fairlock/devicemapper')
  }

  /** `/run/blktap-control/nbd`: the links that `params_nbd` names. */
  get nbdLinks(): string {
    return this.#under('run/blktap-control/nbd')
  }

  /** `/dev/sm/phy`: links from a VDI to its image. */
  get devPhy(): string {
    return this.#under('dev/sm/phy')
  }

  /** `/dev/shm/mpath_status`: how many paths of each multipathed disk work. */
  get multipathStatus(): string {
    return this.#under('dev/shm/mpath_status')
  }

  get inventory(): string {
    return this.#under('etc/xensource-inventory')
  }

  /** The unix socket of xapi. */
  get xapiSocket(): string {
    return this.#under('var/lib/xcp/xapi')
  }

  /** State of the toolstack in the box. */
  get toolstackState(): string {
    return this.#under('var/lib/sm')
  }

  /** Whether this is a real host's own tree and not one moved by `$SM_ROOT`. */
  get isHost(): boolean {
    return this.root === '/'
  }

  #under(relative: string): string {
    return path.join(this.root, relative)
  }
}
