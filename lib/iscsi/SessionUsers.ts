import path from 'node:path'
import { isErrno } from '../os/files.ts'
import type { Paths } from '../os/paths.ts'
import type { System } from '../os/system.ts'
import { SmError } from '../smapi/SmError.ts'
import { isIqn } from './names.ts'

/**
 * Which SRs use the sessions of a target: a file for each IQN with the uuid of an SR on each line, gone with the last of
 * them and, as the sessions, with a reboot (spec iscsi-hba 8). The caller has the target to itself.
 */
export class SessionUsers {
  readonly #system: System
  readonly #directory: string
  readonly #file: string

  constructor({ system, paths }: { readonly system: System; readonly paths: Paths }, iqn: string) {
    this.#system = system
    this.#directory = paths.srReferences
    this.#file = path.join(this.#directory, iqn)
  }

  async list(): Promise<string[]> {
    try {
      return (await this.#system.files.readText(this.#file)).split('\n').filter(line => line !== '')
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return []
      throw failed(error)
    }
  }

  /** Adds an SR; one that is there counts once. @throws SmError LVMRefCount (104) */
  async add(srUuid: string): Promise<void> {
    const users = await this.list()
    if (!users.includes(srUuid)) await this.#write([...users, srUuid])
  }

  /** Removes an SR and says how many are left. @throws SmError LVMRefCount (104) */
  async remove(srUuid: string): Promise<number> {
    const users = await this.list()
    const left = users.filter(user => user !== srUuid)
    if (left.length < users.length) await this.#write(left)
    return left.length
  }

  async #write(users: readonly string[]): Promise<void> {
    const { files } = this.#system
    try {
      if (users.length === 0) {
        await files.unlinkIfPresent(this.#file)
        return
      }
      await files.makeDirectory(this.#directory, { recursive: true })
      await files.writeDurably(this.#file, users.map(user => `${user}\n`).join(''))
    } catch (error) {
      throw failed(error)
    }
  }
}

/** The targets whose sessions an SR uses. @throws SmError LVMRefCount (104) */
export async function targetsUsedBy(
  { system, paths }: { readonly system: System; readonly paths: Paths },
  srUuid: string,
): Promise<string[]> {
  const { files } = system
  if (!(await files.exists(paths.srReferences))) return []
  const used: string[] = []
  for (const iqn of (await files.list(paths.srReferences)).filter(isIqn)) {
    if ((await new SessionUsers({ system, paths }, iqn).list()).includes(srUuid)) used.push(iqn)
  }
  return used
}

function failed(error: unknown): SmError {
  return new SmError('LVMRefCount', error instanceof Error ? error.message : String(error), { cause: error })
}
