import type { World, WorldOptions } from '../support/World.ts'
import type { Guest } from './Guest.ts'

/** The part of a world that tests use: it may be here or in a guest. */
export type AnyWorld = Pick<
  World,
  | 'addConnection'
  | 'addHost'
  | 'call'
  | 'clone'
  | 'close'
  | 'content'
  | 'createVdi'
  | 'database'
  | 'declareSnapshot'
  | 'failure'
  | 'fault'
  | 'host'
  | 'images'
  | 'names'
  | 'pbd'
  | 'plugin'
  | 'putFile'
  | 'record'
  | 'records'
  | 'request'
  | 'restore'
  | 'revert'
  | 'root'
  | 'directory'
  | 'save'
  | 'scan'
  | 'snapshot'
  | 'srRef'
  | 'srUuid'
  | 'start'
  | 'stop'
  | 'takeTrace'
  | 'write'
>

type Method = {
  [Name in keyof AnyWorld]: AnyWorld[Name] extends (...args: never[]) => Promise<unknown> ? Name : never
}[keyof AnyWorld]

const METHODS: readonly Method[] = [
  'addConnection',
  'addHost',
  'call',
  'clone',
  'close',
  'content',
  'createVdi',
  'database',
  'declareSnapshot',
  'failure',
  'fault',
  'host',
  'images',
  'names',
  'pbd',
  'plugin',
  'putFile',
  'record',
  'records',
  'request',
  'restore',
  'revert',
  'save',
  'scan',
  'snapshot',
  'start',
  'stop',
  'takeTrace',
  'write',
]

/** Makes a world in a guest. What is done with it happens there: toolstack, plugins, storage. */
export async function createRemoteWorld(guest: Guest, options?: WorldOptions): Promise<AnyWorld> {
  const { facts, ask } = await guest.make('World', options)
  const methods = METHODS.map(method => [method, (...args: unknown[]) => ask(method, ...args)] as const)
  return { ...Object.fromEntries(methods), ...facts } as unknown as AnyWorld
}
