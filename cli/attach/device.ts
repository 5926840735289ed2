import type { System } from '../../lib/os/system.ts'
import { OperationError } from '../failures.ts'

/** Seconds after which the kernel gives up on a server that does not answer: longer than a pause takes (spec datapath 15). */
const TIMEOUT = '90'

/** The first /dev/nbdN that nobody uses. Throws OperationError where there is none. */
export async function freeDevice(system: System): Promise<string> {
  for (const device of await devices(system)) {
    if (!(await system.files.exists(`/sys/block/${device}/pid`))) return `/dev/${device}`
  }
  throw new OperationError('there is no free /dev/nbdN', [
    'Load the module with modprobe nbd, or use the URI that sm vdi-attach prints without --device.',
  ])
}

/** Connects the kernel's client. Throws CommandError. */
export async function connectDevice(
  system: System,
  device: string,
  { socket, name }: { readonly socket: string; readonly name: string },
): Promise<void> {
  await system.run(['nbd-client', '-unix', socket, device, '-name', name, '-timeout', TIMEOUT])
}

/** Throws OperationError for what is no such device. */
export async function disconnectDevice(system: System, node: string): Promise<void> {
  if (!/^\/dev\/nbd\d+$/.test(node)) throw new OperationError(`${node} is not a /dev/nbdN`)
  const mounts = (await system.files.readText('/proc/mounts')).split('\n').map(line => line.split(' ')[0])
  if (mounts.includes(node)) throw new OperationError(`${node} is mounted`, [`Unmount it first: umount ${node}`])
  await system.run(['blockdev', '--flushbufs', node])
  await system.run(['nbd-client', '-d', node])
}

async function devices({ files }: System): Promise<string[]> {
  return (await files.list('/sys/block')).filter(name => /^nbd\d+$/.test(name))
}
