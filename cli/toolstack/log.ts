import type { Logger } from '../../lib/os/log.ts'
import { printable } from '../format/text.ts'

/** Lines for people who watch: the time, what happened, and a mark where something is wrong. */
export function consoleLogger(stream: NodeJS.WritableStream): Logger {
  const log = (mark: string) => (text: string) => {
    const time = new Date().toISOString().slice(11, 19)
    const lines = text.split('\n').filter(line => line.trim() !== '')
    stream.write(lines.map(line => `${time} ${mark}${printable(line)}\n`).join(''))
  }
  return {
    debug: () => undefined,
    info: log(''),
    warn: log('warning: '),
    error: log('error: '),
    flush: () => Promise.resolve(),
  }
}
