/** Hands `data` to a stream and waits until it is taken. Throws EPIPE where nobody reads it any more. */
export async function writeTo(stream: NodeJS.WritableStream, data: string | Buffer): Promise<void> {
  if (data.length === 0) return
  await new Promise<void>((resolve, reject) => {
    stream.once('error', reject)
    stream.write(data, () => {
      stream.removeListener('error', reject)
      resolve()
    })
  })
}
