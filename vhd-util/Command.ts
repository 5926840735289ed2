import type { System } from '../lib/os/system.ts'
import type { Options } from './getopt.ts'

/** What a command works with. */
export interface Tool {
  readonly system: System
  /** Writes to standard output; resolves when the data is handed on. */
  readonly out: (data: string | Buffer) => Promise<void>
  /** Writes to standard error. */
  readonly err: (text: string) => Promise<void>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** One subcommand (spec vhd 7). */
export interface Command {
  /** As for getopt(3). */
  readonly options: string
  /** What follows `usage: vhd-util `. */
  readonly usage: string
  /** Exit code of `-h` (spec vhd 6). */
  readonly helpExit: 0 | 22
  /** Takes words that are no options. */
  readonly operands?: boolean
  /** Returns the exit code. Throws `UsageError`, `Failed`, or an error with an errno, which is reported silently. */
  readonly run: (tool: Tool, options: Options) => Promise<number>
}
