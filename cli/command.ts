import { Command, InvalidArgumentError } from 'commander'
import { parseSize } from './format/sizes.ts'
import { UsageError } from './failures.ts'
import type { Connection } from './connection.ts'

/** An example of a command's use: the line, and what it is for. */
export type Example = readonly [line: string, purpose: string]

export interface CommandText {
  readonly summary: string
  /** What there is to know beyond the summary. */
  readonly description?: string
  readonly examples: readonly Example[]
}

/** A command with the parts of its help that all have. */
export function makeCommand(name: string, { summary, description, examples }: CommandText): Command {
  const text = description === undefined ? sentence(summary) : `${sentence(summary)}\n\n${description}`
  return new Command(name).summary(summary).description(text).addHelpText('after', exampleText(examples))
}

export const JSON_FLAG = ['--json', 'print JSON for programs'] as const

/** Runs `body` with a session on the toolstack. */
export async function connected<T>(body: (connection: Connection) => Promise<T>): Promise<T> {
  const { withConnection } = await import('./connection.ts')
  return withConnection(body)
}

/** For options and arguments that are sizes. */
export function sizeArgument(text: string): number {
  return asArgument(() => parseSize(text))
}

/** For names and descriptions: what XML cannot carry would be lost on the way. */
export function labelArgument(text: string): string {
  if (/[\0-\x08\x0b\x0c\x0e-\x1f]/.test(text))
    throw new InvalidArgumentError('Control characters cannot be part of a name.')
  return text
}

/** For options of the form `key=value` that may be repeated. */
export function collectPair(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const split = text.indexOf('=')
  if (split <= 0) throw new InvalidArgumentError(`'${text}' is not of the form key=value.`)
  return { ...previous, [text.slice(0, split)]: text.slice(split + 1) }
}

/** For options that may be repeated. */
export function collectText(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text]
}

function asArgument<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof UsageError) throw new InvalidArgumentError(`${error.message}.`)
    throw error
  }
}

function exampleText(examples: readonly Example[]): string {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, purpose]) => `  ${line.padEnd(width)}  # ${purpose}`)
  return `\nExamples:\n${lines.join('\n')}`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
