import { datapathOf } from '../../lib/datapath/chooseDatapath.ts'
import { nbdLink, phyLink, targetOf } from '../../lib/datapath/links.ts'
import { SmError } from '../../lib/smapi/SmError.ts'
import type { StringMap } from '../../lib/xapi/XapiClient.ts'
import { type HostContext, type HostFunction, uuidArgument } from '../hostPlugin.ts'
import { findImage, isVolume } from './findImage.ts'

interface Call {
  readonly srUuid: string
  readonly vdiUuid: string
  readonly failFast: boolean
  readonly secondary: string | undefined
  readonly activatesParents: boolean
}

/**
 * The functions of the host plugin `tapdisk-pause` (spec datapath 7), by which the master of a pool stops and resumes I/O
 * to a VDI on the hosts that have it open. A VDI that is not open here is no error.
 */
export const pauseFunctions: Readonly<Record<string, HostFunction>> = {
  pause: underLock(pause),
  unpause: underLock(unpause),
  refresh: underLock(async (context, call) => {
    await pause(context, call)
    await unpause(context, call)
  }),
}

function underLock(action: (context: HostContext, call: Call) => Promise<void>): HostFunction {
  return async (context, args) => {
    const call = parseCall(args)
    const lock = call.failFast
      ? await context.locks.tryLock(call.vdiUuid, 'vdi')
      : await context.locks.lock(call.vdiUuid, 'vdi')
    if (lock === undefined) throw new SmError('VDIUnavailable', 'VDI already locked')
    try {
      await action(context, call)
      return 'True'
    } finally {
      await lock.release()
    }
  }
}

async function pause(context: HostContext, { srUuid, vdiUuid }: Call): Promise<void> {
  const socket = await targetOf(context.system.files, nbdLink(context.paths, srUuid, vdiUuid))
  if (socket === undefined) return
  const datapath = await datapathOf(context, socket)
  // Nobody writes where the server has died.
  if ((await datapath.serving(socket)) !== undefined) await datapath.pause(socket)
}

async function unpause(context: HostContext, call: Call): Promise<void> {
  const { srUuid, vdiUuid, secondary } = call
  const socket = await targetOf(context.system.files, nbdLink(context.paths, srUuid, vdiUuid))
  if (socket === undefined) return
  const datapath = await datapathOf(context, socket)
  if ((await datapath.serving(socket)) === undefined) return
  const image = await findImage(context, phyLink(context.paths, srUuid, vdiUuid), call)
  if (call.activatesParents && image.type === 'vhd' && isVolume(image.path)) {
    const { activateParents } = await import('./activateParents.ts')
    await activateParents(context, srUuid, vdiUuid)
  }
  await datapath.unpause(socket, { ...image, ...(secondary === undefined ? {} : { secondary }) })
}

function parseCall(args: StringMap): Call {
  return {
    srUuid: uuidArgument(args, 'sr_uuid'),
    vdiUuid: uuidArgument(args, 'vdi_uuid'),
    failFast: args['failfast'] === 'True',
    secondary: args['secondary'],
    activatesParents: args['activate_parents'] === 'true',
  }
}
