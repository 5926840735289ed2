/** Writes to standard output and resolves when it is out, so that a slow reader holds us back. */
export function print(text: string): Promise<void> {
  return printBytes(Buffer.from(text))
}

export function printBytes(bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, error => {
      if (error === undefined || error === null) resolve()
      else reject(error)
    })
  })
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
