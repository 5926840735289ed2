import { dispatch } from '../../drivers/dispatch.ts'
import { FileSR } from '../../drivers/FileSR.ts'
import { makeContext } from '../../drivers/makeContext.ts'
import { Effects, errnoError } from '../../lib/os/effects.ts'
import { Files } from '../../lib/os/files.ts'
import type { OpenFile } from '../../lib/os/OpenFile.ts'
import { makeSystem, type System } from '../../lib/os/system.ts'
import { decodeRequest } from '../../lib/smapi/Request.ts'
import { encodeMethodCall, type XmlInput } from '../../lib/smapi/xmlrpc.ts'
import type { Disk, World } from './World.ts'

/** Runs one plugin command in this process, with the system as the test wants it. */
export async function runInProcess(
  world: World,
  call: { command: string; vdi: Disk; members?: Record<string, XmlInput> },
  system: System,
): Promise<unknown> {
  const request = decodeRequest(
    encodeMethodCall(call.command, [await world.request(call.command, call.vdi, call.members)]),
  )
  const saved = { ...process.env }
  Object.assign(process.env, { SM_ROOT: world.paths.root, SM_XAPI_URL: world.url, SM_LOG: 'none' })
  const { context, close } = makeContext(request, system)
  try {
    return await dispatch(new FileSR(context), request.command, request)
  } finally {
    await close()
    process.env = saved
  }
}

/** A system on which opening files whose names end so fails with EIO, as on a server that does not answer. */
export function unreadable(ending: string): System {
  class Flaky extends Files {
    override openRead(filePath: string): Promise<OpenFile> {
      return filePath.endsWith(ending) ? noAnswer() : super.openRead(filePath)
    }

    override openRegular(filePath: string): Promise<OpenFile> {
      return filePath.endsWith(ending) ? noAnswer() : super.openRegular(filePath)
    }
  }
  const system = makeSystem(new Effects(''))
  return { ...system, files: new Flaky(system.effects) }
}

function noAnswer(): Promise<never> {
  return Promise.reject(errnoError('EIO', 'no answer'))
}
