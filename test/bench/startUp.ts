import { readFileSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../support/World.ts'
import { compare, timeOfProcess } from './measure.ts'

const RUNS = 25

/** The cost of starting: the cheapest call against an empty Node process. */
export async function benchStartUp(): Promise<void> {
  const request = readFileSync(path.join(projectRoot, 'test/fixtures/smapi/driver-info-request.xml'), 'utf8').trim()
  const process_ = (name: string, program: string, args: string[]) => ({
    name,
    run: () => Promise.resolve(timeOfProcess(program, args)),
  })
  await compare('start-up', RUNS, [
    process_('node -e 0', process.execPath, ['-e', '0']),
    process_('sr_get_driver_info, the bundle', process.execPath, [path.join(projectRoot, 'dist/FileSR.cjs'), request]),
    process_('sr_get_driver_info, bin/FileSR', path.join(projectRoot, 'bin/FileSR'), [request]),
  ])
}
