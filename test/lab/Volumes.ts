import type { Outcome } from './agent/LvmBench.ts'
import type { Guest, RemoteObject } from './Guest.ts'

type Target = 'group' | 'references' | 'vhd' | 'journals' | 'activator' | 'metadata' | 'groups' | 'lvhd'

/** The layer between drivers and LVM, at work in a guest: see `agent/LvmBench.ts`. */
export class Volumes {
  readonly #bench: RemoteObject

  private constructor(bench: RemoteObject) {
    this.#bench = bench
  }

  static async start(guest: Guest, srUuid: string): Promise<Volumes> {
    return new Volumes(await guest.make('LvmBench', { srUuid }))
  }

  /** The next call: what this one knew is forgotten. With `killBefore` it dies before that effect. */
  async begin(killBefore?: number): Promise<void> {
    await this.#bench.ask('begin', killBefore)
  }

  /** The value of a method. Throws where it fails. */
  async ok(target: Target, method: string, ...args: unknown[]): Promise<unknown> {
    const { value, error } = await this.outcome(target, method, ...args)
    if (error !== undefined) throw new Error(`${target}.${method}: ${error.message}`)
    return value
  }

  /** Why a method failed. Throws where it does not. */
  async error(target: Target, method: string, ...args: unknown[]): Promise<NonNullable<Outcome['error']>> {
    const { error } = await this.outcome(target, method, ...args)
    if (error === undefined) throw new Error(`${target}.${method} succeeded`)
    return error
  }

  async outcome(target: Target, method: string, ...args: unknown[]): Promise<Outcome> {
    return (await this.#bench.ask('call', target, method, ...args)) as Outcome
  }

  async takeEffects(): Promise<string[]> {
    return (await this.#bench.ask('takeEffects')) as string[]
  }

  async takeCommands(): Promise<string[]> {
    return (await this.#bench.ask('takeCommands')) as string[]
  }

  async close(): Promise<void> {
    await this.#bench.ask('close')
  }
}
