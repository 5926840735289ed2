import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { existsSync } from 'node:fs'
import { projectRoot } from './World.ts'

/** A plugin directory with drivers of ours beside those for tests: FakeSR, and NoRevertSR of the time before VDI_REVERT. */
export async function mixedDrivers(directory: string, ours: readonly string[]): Promise<string> {
  await mkdir(directory, { recursive: true })
  const fixtures = path.join(projectRoot, 'test/fixtures/plugins/sm')
  const links = [
    ...ours.map(name => path.join(projectRoot, 'bin', name)),
    ...['FakeSR', 'NoRevertSR'].map(name => path.join(fixtures, name)),
  ]
  for (const target of links) {
    const link = path.join(directory, path.basename(target))
    if (!existsSync(link)) await symlink(target, link)
  }
  return directory
}
