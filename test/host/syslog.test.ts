import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { makeLogger } from '../../lib/os/log.ts'

const DAEMON = path.join(import.meta.dirname, 'syslog-daemon.py')
const LOCAL2 = 18 * 8
const isFree = process.getuid?.() === 0 && !existsSync('/dev/log')

// Needs a machine without a syslog daemon: it takes its place.
it.runIf(isFree)('lines go to facility local2 with ident, process id and priority, in order', async () => {
  const daemon = spawn('python3', [DAEMON], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(daemon, 'exit')
  const lines = createInterface(daemon.stdout)[Symbol.asyncIterator]()
  const next = async () => JSON.parse(String((await lines.next()).value)) as string
  try {
    expect(await next()).toBe('ready')
    const log = makeLogger({ ident: 'SM', spec: undefined })
    log.info('before the library is loaded: 100%s %n\nsecond line')
    await log.flush()
    log.error('afterwards')
    const [first, second, third] = [await next(), await next(), await next()]
    const stamp = '\\w{3} [ \\d]\\d [\\d:]{8}'
    const head = (priority: number) => `^<${LOCAL2 + priority}>${stamp} SM: \\[${process.pid}\\] `
    expect(first).toMatch(new RegExp(`${head(6)}before the library is loaded: 100%s %n$`))
    expect(second).toMatch(new RegExp(`${head(6)}second line$`))
    expect(third).toMatch(new RegExp(`${head(3)}afterwards$`))
  } finally {
    daemon.stdin.end()
    await gone
  }
})
