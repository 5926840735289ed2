import { LvmWorld } from '../../support/LvmWorld.ts'
import { World, type WorldOptions } from '../../support/World.ts'
import type { Question } from '../protocol.ts'
import { LoopLvm } from './LoopLvm.ts'
import { LossyLink } from './LossyLink.ts'
import { LvmBench } from './LvmBench.ts'
import { OtherHost, type OtherHostOptions } from './OtherHost.ts'
import { PluginBench, type BenchOptions } from './PluginBench.ts'
import { runInAgent, takePrograms } from './runInAgent.ts'
import { TargetLvm } from './TargetLvm.ts'
import { TranscriptPlayer, type TranscriptOptions } from './TranscriptPlayer.ts'

const classes = {
  World: (options: unknown) => makeWorld(options as WorldOptions),
  PluginBench: (options: unknown) => PluginBench.start(options as BenchOptions),
  LvmBench: (options: unknown) => Promise.resolve(new LvmBench(options as { srUuid: string })),
  OtherHost: (options: unknown) => OtherHost.start(options as OtherHostOptions),
  TranscriptPlayer: (options: unknown) => TranscriptPlayer.open(options as TranscriptOptions),
  Programs: () => Promise.resolve({ take: takePrograms, close: () => undefined }),
  LossyLink: (options: unknown) => LossyLink.start(options as { port: number }),
}

export type ClassName = keyof typeof classes

function makeWorld(given: WorldOptions): Promise<World> {
  const options = { ...given, runProgram: runInAgent }
  if (given.type === 'lvhd') return LvmWorld.on(new LoopLvm(given.deviceConfig['device'] ?? ''), options)
  if (given.type === 'lvmohba' || given.type === 'lvhdoiscsi') return LvmWorld.on(new TargetLvm(), options)
  return World.create(options)
}

const objects = new Map<number, object>()

/** Makes an object in this guest, or calls a method of one that was made. `close` ends it. */
export async function callObject(question: Extract<Question, { kind: 'make' | 'call' }>): Promise<unknown> {
  if (question.kind === 'make') {
    const made = await classes[question.className](question.options)
    objects.set(question.object, made)
    return factsOf(made)
  }
  const { object: number, method, args } = question
  const object = objects.get(number)
  const member: unknown = object === undefined ? undefined : Reflect.get(object, method)
  if (object === undefined || typeof member !== 'function') throw new TypeError(`no object ${number} or no ${method}`)
  if (method === 'close') objects.delete(number)
  return (await Reflect.apply(member, object, args)) as unknown
}

/** What a test may know of an object without asking. */
function factsOf(made: object): Record<string, string> {
  if (made instanceof PluginBench) return { mountPoint: made.mountPoint, root: made.root }
  if (made instanceof OtherHost) return { root: made.root, home: made.home }
  if (!(made instanceof World)) return {}
  return { srRef: made.srRef, srUuid: made.srUuid, root: made.root, directory: made.directory }
}
