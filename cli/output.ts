import { writeTo } from '../lib/os/output.ts'

/** Writes to standard output and resolves when it is out, so that a slow reader holds us back. */
export function print(text: string): Promise<void> {
  return printBytes(Buffer.from(text))
}

export function printBytes(bytes: Buffer): Promise<void> {
  return writeTo(process.stdout, bytes)
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Columns of the terminal that standard output is, if it is one. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined
}

/** A remark for people, on standard error, so that it is never taken for the result. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`)
}

/**
 * Ends the program with exit code 1 where its output can no longer be written. A reader who has seen enough, as `head` does,
 * is no failure worth a message.
 */
export function endWithoutOutput(program: string): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') remark(`${program}: cannot write the output: ${error.message}`)
    process.exit(1)
  })
}
