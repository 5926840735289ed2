import { existsSync } from 'node:fs'
import { LockManager } from '../lib/lock/Lock.ts'
import { makeLogger } from '../lib/os/log.ts'
import { Paths } from '../lib/os/paths.ts'
import { makeSystem, type System } from '../lib/os/system.ts'
import type { Request } from '../lib/smapi/Request.ts'
import { chooseVhdUtil } from '../lib/vhd/chooseVhdUtil.ts'
import { EmbeddedVhdUtil } from '../lib/vhd/EmbeddedVhdUtil.ts'
import { connectSmXapi } from '../lib/xapi/connectSmXapi.ts'
import type { Context, VhdPlace } from './Context.ts'
import { noCollector, SystemdCollector } from './gc.ts'

/** The environment of one plugin call, chosen once: paths, locks, log, XenAPI, VHD tool. `close` ends what it opened. */
export function makeContext(
  request: Request,
  system: System = makeSystem(),
): { context: Context; close: () => Promise<void> } {
  const paths = new Paths()
  const log = makeLogger({ ident: 'SM' })
  const locks = new LockManager(paths, system.effects)
  const { xapi, close: closeXapi } = connectSmXapi({ request, paths, effects: system.effects })
  const hasCollector = paths.isHost && existsSync('/usr/bin/systemctl')
  const context: Context = {
    request,
    system,
    paths,
    log,
    locks,
    xapi,
    gc: hasCollector ? new SystemdCollector({ system, paths, locks, log }) : noCollector,
    vhdUtil: place => chooseVhdUtil(system, bounds(place)),
    embeddedVhd: place => new EmbeddedVhdUtil(system, bounds(place)),
  }
  return {
    context,
    close: async () => {
      await locks.releaseAll()
      await closeXapi()
    },
  }
}

function bounds(place: VhdPlace): { boundary: string } | { group: string } {
  return typeof place === 'string' ? { boundary: place } : place
}
