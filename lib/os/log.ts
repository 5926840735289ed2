import { appendFileSync } from 'node:fs'
import { PRIORITIES, Syslog } from './syslog.ts'

/** Where what happens is told. Each line of a text becomes one line of the log. Logging never throws. */
export interface Logger {
  debug(text: string): void
  info(text: string): void
  warn(text: string): void
  error(text: string): void
  /** Resolves when every line so far has been written. */
  flush(): Promise<void>
}

export interface LoggerOptions {
  /** Program name in front of the lines. Default `SM`. */
  readonly ident?: string
  /** `stderr`, `none` or the path of a file to append to; undefined or empty for syslog. Default `$SM_LOG`. */
  readonly spec?: string | undefined
}

type Level = keyof typeof PRIORITIES

interface Sink {
  write(level: Level, line: string): void
  flush(): Promise<void>
}

/** Syslog daemons cut longer messages, or lose them. */
const MAX_LINE = 8000

/** Makes a logger (spec smapi 1). Nothing is opened or loaded before the first line. */
export function makeLogger(options: LoggerOptions = {}): Logger {
  const ident = options.ident ?? 'SM'
  const sink = makeSink(ident, 'spec' in options ? options.spec : process.env['SM_LOG'])
  const log = (level: Level) => (text: string) => {
    for (const line of text.split('\n')) {
      if (line.trim() !== '') sink.write(level, `[${process.pid}] ${printable(line)}`)
    }
  }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error'), flush: () => sink.flush() }
}

const SECRET_KEYS = new Set(['session_ref', 'password', 'cifspassword', 'chappassword', 'incoming_chappassword'])
const MASK = '******'

/** A device_config, or any map of request members, as it may be logged: passwords, references to stored secrets and the session are replaced. */
export function maskSecrets(deviceConfig: Readonly<Record<string, string>>): Record<string, string> {
  const mask = ([key, value]: [string, string]) => [key, isSecret(key) ? MASK : value] as const
  return Object.fromEntries(Object.entries(deviceConfig).map(mask))
}

function isSecret(key: string): boolean {
  return SECRET_KEYS.has(key) || key.endsWith('secret')
}

function makeSink(ident: string, spec: string | undefined): Sink {
  switch (spec) {
    case undefined:
    case '':
      return syslogSink(ident)
    case 'none':
      return { write: () => undefined, flush: nothingToFlush }
    case 'stderr':
      return { write: (level, line) => void process.stderr.write(dated(ident, level, line)), flush: nothingToFlush }
    default:
      return fileSink(ident, spec)
  }
}

function syslogSink(ident: string): Sink {
  const syslog = new Syslog(ident)
  return {
    write: (level, line) => {
      syslog.send(PRIORITIES[level], line)
    },
    flush: () => syslog.flush(),
  }
}

/** A file that cannot be written is reported once, on stderr: it was asked for by hand, not by xapi. */
function fileSink(ident: string, path: string): Sink {
  let broken = false
  return {
    write: (level, line) => {
      if (broken) return
      try {
        appendFileSync(path, dated(ident, level, line), { mode: 0o600 })
      } catch (error) {
        broken = true
        process.stderr.write(`cannot log to ${path}: ${String(error)}\n`)
      }
    },
    flush: nothingToFlush,
  }
}

function nothingToFlush(): Promise<void> {
  return Promise.resolve()
}

function dated(ident: string, level: Level, line: string): string {
  return `${new Date().toISOString()} ${ident} ${level}: ${line}\n`
}

/** Control characters could forge lines or drive a terminal. */
function printable(line: string): string {
  const safe = line.replace(/[\p{Cc}]/gu, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return safe.length > MAX_LINE ? `${safe.slice(0, MAX_LINE)}…` : safe
}
