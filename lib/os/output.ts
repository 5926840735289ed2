/**
 * Hands `data` to a stream and waits until it is taken. Throws the system's error where it cannot be written: EPIPE where
 * nobody reads any more, ENOSPC where it is a file on a full disk.
 */
export async function writeTo(stream: NodeJS.WritableStream, data: string | Buffer): Promise<void> {
  if (data.length === 0) return
  await new Promise<void>((resolve, reject) => {
    // The stream tells a failure twice: here, and after the callback, where nobody listening would end the process.
    stream.once('error', reject)
    stream.write(data, error => {
      if (error !== undefined && error !== null) {
        reject(error)
        return
      }
      stream.removeListener('error', reject)
      resolve()
    })
  })
}

/**
 * Writes the one document that a plugin answers with. Where that is impossible the exit code becomes 1, by which the caller
 * knows that there is no answer (spec smapi 1), and stderr says why.
 */
export async function writeAnswer(document: string): Promise<void> {
  try {
    await writeTo(process.stdout, document)
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`the answer cannot be written: ${error instanceof Error ? error.message : String(error)}\n`)
  }
}
