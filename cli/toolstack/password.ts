import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { isErrno } from '../../lib/os/files.ts'
import type { System } from '../../lib/os/system.ts'
import { OperationError } from '../failures.ts'
import { remark } from '../output.ts'

/**
 * Root's password: the first line of a file that the user names, else of `made`, which gets a random one where it does
 * not exist. Throws OperationError where a named file has none, or others may read it.
 */
export async function choosePassword(system: System, named: string | undefined, made: string): Promise<string> {
  if (named !== undefined) return readPassword(system, named)
  if (!(await system.files.exists(made))) {
    await system.files.makeDirectory(path.dirname(made), { recursive: true, mode: 0o700 })
    const password = Buffer.from(`${randomBytes(18).toString('base64url')}\n`)
    await system.files.using(system.files.create(made, { exclusive: true, mode: 0o600 }), async file => {
      await file.write(password, 0)
      await file.sync()
    })
  }
  remark(`the password of user root is in ${made}`)
  return readPassword(system, made)
}

async function readPassword({ files }: System, file: string): Promise<string> {
  const text = await files.readText(file).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) throw new OperationError(`there is no file ${file}`)
    throw error
  })
  const { mode } = await files.stat(file)
  if ((mode & 0o077) !== 0) throw new OperationError(`others may read ${file}`, [`chmod 600 ${file}`])
  const [password = ''] = text.split(/\r?\n/)
  if (password === '') throw new OperationError(`the first line of ${file} is empty`)
  return password
}
