import path from 'node:path'
import { LockManager } from '../lib/lock/Lock.ts'
import { Lvm } from '../lib/lvm/Lvm.ts'
import { srOfGroup, volumeNamespace } from '../lib/lvm/names.ts'
import { RefCounter } from '../lib/lvm/RefCounter.ts'
import { VolumeGroup } from '../lib/lvm/VolumeGroup.ts'
import { makeLogger } from '../lib/os/log.ts'
import { Paths } from '../lib/os/paths.ts'
import { makeSystem, type System } from '../lib/os/system.ts'
import { isUuid } from '../lib/smapi/members.ts'
import { decodeMethodCall, encodeMethodResponse, isStruct } from '../lib/smapi/xmlrpc.ts'
import { connectSmXapi } from '../lib/xapi/SmXapi.ts'

type Args = Readonly<Record<string, string>>

interface Call {
  readonly name: string
  readonly sessionRef: string
  readonly args: Args
}

const MAX_ARGUMENT_BYTES = 128 * 1024

/**
 * The document that answers one call of the host plugin `on-slave`: what the master has other hosts do with their mappings
 * of volumes (`multi`), and whether a disk is open here (`is_open`) (spec lvhd 17). A failure is an answer too.
 */
export async function answerOnSlave(argument: string, system: System = makeSystem()): Promise<string> {
  try {
    const call = decodeCall(argument)
    if (call.name === 'multi') return encodeMethodResponse(await multi(call.args, system))
    if (call.name === 'is_open') return encodeMethodResponse(await isOpen(call, system))
    throw new Error(`unknown function ${call.name}`)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    makeLogger({ ident: 'on-slave' }).error(text)
    return encodeMethodResponse({ Status: 'Failure', ErrorDescription: ['XENAPI_PLUGIN_FAILURE', 'on-slave', text] })
  }
}

function decodeCall(argument: string): Call {
  const { method: name, params } = decodeMethodCall(argument, MAX_ARGUMENT_BYTES)
  const [sessionRef, struct] = params
  if (typeof sessionRef !== 'string' || !isStruct(struct)) throw new Error('a session and a struct are expected')
  const args: Record<string, string> = {}
  for (const [key, value] of Object.entries(struct)) {
    if (typeof value !== 'string') throw new Error(`${key} is not a string`)
    args[key] = value
  }
  return { name, sessionRef, args }
}

/** Actions in their order; the first that fails ends it. */
async function multi(args: Args, system: System): Promise<string> {
  const group = required(args, 'vgName')
  const srUuid = srOfGroup(group)
  if (srUuid === undefined || !isUuid(srUuid)) throw new Error(`${group} is no volume group of an SR`)
  const paths = new Paths()
  const locks = new LockManager(paths, system.effects)
  const lvm = new Lvm({ system, paths, locks, log: makeLogger({ ident: 'on-slave' }) })
  const volumes = new VolumeGroup(lvm, group)
  const references = new RefCounter(lvm.deps, srUuid)
  try {
    for (let number = 1; args[`action${number}`] !== undefined; number += 1) {
      const of = (name: string) => required(args, `${name}${number}`)
      await carryOut(of('action'), { volumes, references, srUuid, of })
    }
  } finally {
    await locks.releaseAll()
  }
  return 'True'
}

interface Scope {
  readonly volumes: VolumeGroup
  readonly references: RefCounter
  readonly srUuid: string
  readonly of: (name: string) => string
}

async function carryOut(action: string, scope: Scope): Promise<void> {
  const { volumes, references } = scope
  switch (action) {
    case 'activate':
      return references.locked([uuidOf(scope)], async () => {
        if ((await references.get(uuidOf(scope), 'count')) > 1) return
        await volumes.activate([scope.of('lvName')])
      })
    case 'deactivate':
      return references.locked([uuidOf(scope)], async () => {
        if ((await references.put(uuidOf(scope), 'count')) === 0) await volumes.deactivate([scope.of('lvName')])
      })
    case 'deactivateNoRefcount':
      return volumes.deactivate([scope.of('lvName')])
    case 'refresh':
      await volumes.activate([scope.of('lvName')])
      return volumes.refreshMappings([scope.of('lvName')])
    case 'cleanupLockAndRefcount':
      return references.write(uuidOf(scope), { count: 0, binary: 0 })
    default:
      throw new Error(`unknown action ${action}`)
  }
}

/** The VDI that an action is about; its references are those of this SR and no other. */
function uuidOf({ of, srUuid }: Scope): string {
  if (of('ns') !== volumeNamespace(srUuid)) throw new Error(`${of('ns')} is not the namespace of SR ${srUuid}`)
  return of('uuid')
}

/** Whether a process of this host serves the disk. */
async function isOpen({ sessionRef, args }: Call, system: System): Promise<string> {
  const vdiUuid = required(args, 'vdiUuid')
  if (!isUuid(vdiUuid)) throw new Error('vdiUuid is no uuid')
  const paths = new Paths()
  const { xapi, close } = connectSmXapi({ request: { sessionRef }, paths, effects: system.effects })
  try {
    const srUuid = await xapi.srGetUuid(required(args, 'srRef'))
    const isServed = await system.files.exists(path.join(paths.nbdLinks, srUuid, vdiUuid))
    return isServed ? 'True' : 'False'
  } finally {
    await close()
  }
}

function required(args: Args, name: string): string {
  const value = args[name]
  if (value === undefined || value === '') throw new Error(`${name} is missing`)
  return value
}
