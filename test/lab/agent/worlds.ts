import { World, type WorldOptions } from '../../support/World.ts'

const worlds = new Map<number, World>()

/** Runs a method of a world in this guest. Method `create` makes the world, `close` ends it. */
export async function callWorld(question: {
  readonly world: number
  readonly method: string
  readonly args: readonly unknown[]
}): Promise<unknown> {
  const { world: number, method, args } = question
  if (method === 'create') {
    const made = await World.create(args[0] as WorldOptions)
    worlds.set(number, made)
    return { srRef: made.srRef, srUuid: made.srUuid, root: made.root, directory: made.directory }
  }
  const world = worlds.get(number)
  const member: unknown = world === undefined ? undefined : Reflect.get(world, method)
  if (world === undefined || typeof member !== 'function') throw new TypeError(`no world ${number} or no ${method}`)
  if (method === 'close') worlds.delete(number)
  return (await Reflect.apply(member, world, args)) as unknown
}
