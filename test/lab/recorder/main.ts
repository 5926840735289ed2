// A disk for power-cut tests: serves an image by NBD, logs every write and flush, and rebuilds the image as of any of them.
import { fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { EventLog, eventsOf, rebuild } from './log.ts'
import { serveNbd, type Backend } from './NbdServer.ts'

const USAGE = `usage: lab-recorder serve SOCKET IMAGE LOG          until its one client disconnects
       lab-recorder count LOG                       how many events there are
       lab-recorder show LOG
       lab-recorder rebuild LOG BASE OUTPUT AFTER [LOSE-SEED [KEEP-BELOW]]`

async function main([command, ...args]: readonly string[]): Promise<void> {
  const [first = '', second = '', third = '', fourth = '', fifth, sixth] = args
  switch (command) {
    case 'serve':
      return serve(first, second, third)
    case 'count':
      console.log([...eventsOf(first)].length)
      return
    case 'show':
      for (const event of eventsOf(first)) {
        console.log(event.kind === 'flush' ? 'flush' : `write ${event.offset}+${event.data.length}`)
      }
      return
    case 'rebuild':
      rebuild(first, second, third, {
        after: Number(fourth),
        ...(fifth === undefined ? {} : { lose: Number(fifth) }),
        ...(sixth === undefined ? {} : { keepBelow: Number(sixth) }),
      })
      return
    default:
      throw new Error(USAGE)
  }
}

async function serve(socketPath: string, image: string, logFile: string): Promise<void> {
  const log = new EventLog(logFile)
  const backend = recorded(image, log)
  await new Promise<void>((resolve, reject) => {
    const server = createServer(socket => {
      server.close()
      serveNbd(socket, backend).then(resolve, reject)
    })
    server.on('error', reject)
    server.listen(socketPath)
  })
  log.close()
}

function recorded(image: string, log: EventLog): Backend {
  const fd = openSync(image, 'r+')
  return {
    size: fstatSync(fd).size,
    read: (offset, length) => {
      const data = Buffer.alloc(length)
      readSync(fd, data, 0, length, offset)
      return data
    },
    write: (offset, data, durable) => {
      log.append({ kind: 'write', offset, data, durable })
      writeSync(fd, data, 0, data.length, offset)
    },
    flush: () => {
      log.append({ kind: 'flush' })
      fdatasyncSync(fd)
    },
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
})
