import { Option, type Command } from 'commander'
import { makeCommand } from '../command.ts'
import { UsageError } from '../failures.ts'
import type { ServeOptions } from '../toolstack/serve.ts'

/** `sm toolstack` */
export function toolstackCommand(): Command {
  return makeCommand('toolstack', {
    summary: 'serve XenAPI in the foreground',
    description:
      'Other clients then work with the same SRs: sm and xe by the socket, anything that speaks XenAPI by TCP as user root. ' +
      'Ends with Ctrl-C or SIGTERM when the operations in progress have ended.',
    examples: [
      ['sm toolstack', 'on the local socket, where sm and xe find it'],
      ['sm toolstack --listen 127.0.0.1:8080', 'also on TCP, with a page for the browser'],
      ['sm toolstack --listen 127.0.0.1:8080 --password-file /etc/sm.password', 'with a password of your own'],
    ],
  })
    .option('--socket <path>', 'unix socket to listen on; who may open it is root')
    .addOption(
      new Option('--listen <address:port>', 'also listen on TCP, loopback only, for user root').argParser(parseAddress),
    )
    .option('--password-file <file>', "file whose first line is root's password; one is made where none is given")
    .option('--state <dir>', 'folder for the database')
    .option('--plugins <dir>', 'folder with the storage plugins, instead of ours')
    .option('--host-plugins <dir>', 'folder with plugins for host.call_plugin, instead of ours')
    .option('--attach-disks', 'attach the disks of VMs that are started through their drivers')
    .option('--restore-missing-disks', 'VM.revert brings back disks that were deleted or detached since the snapshot')
    .action(async (options: ServeOptions) => {
      const { serve } = await import('../toolstack/serve.ts')
      await serve(options)
    })
}

/** Passwords travel in the clear, so nobody on a network may see them. */
function parseAddress(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:]+)\]|([\w.]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65535) throw new UsageError(`'${text}' is not of the form ADDRESS:PORT`)
  if (!/^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host)) {
    throw new UsageError(`${host} is no loopback address: XenAPI is served without encryption here`)
  }
  return { host, port }
}
