import path from 'node:path'
import { datapathOf } from '../../lib/datapath/chooseDatapath.ts'
import { nbdLink, targetOf } from '../../lib/datapath/links.ts'
import { makeLogger } from '../../lib/os/log.ts'
import { toObject, toText } from '../../lib/xapi/normalise.ts'
import { driverResult } from '../call/callDriver.ts'
import type { Connection } from '../connection.ts'
import { OperationError } from '../failures.ts'
import { print, printJson, remark } from '../output.ts'
import { findVdi, type Sr, srOf, type Vdi } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { connectDevice, disconnectDevice, freeDevice } from './device.ts'

/** How long a client that has just ended is waited for. */
const GOODBYE_TRIES = 20
const GOODBYE_WAIT_MS = 100

export interface AttachOptions {
  readonly readOnly?: true
  readonly device?: true
  readonly json?: true
}

/** A disk that programs of this machine can work with. */
export interface OpenDisk {
  readonly uuid: string
  /** Where an NBD client connects; the export bears the uuid. */
  readonly socket: string
}

interface Found {
  readonly vdi: Vdi
  readonly sr: Sr
  readonly driver: string
}

/** Attaches and activates a disk as xapi does for a guest, and prints where it is. Throws OperationError where the driver refuses. */
export async function attach(connection: Connection, text: string, options: AttachOptions): Promise<void> {
  const { system } = connection.environment
  const found = await findDisk(connection, text)
  const device = options.device === true ? await freeDevice(system) : undefined
  const { uuid, socket } = await open(connection, found, options.readOnly !== true)
  const uri = `nbd+unix:///${uuid}?socket=${encodeURI(socket)}`
  if (device !== undefined) {
    await connectDevice(system, device, { socket, name: uuid }).catch(async (error: unknown) => {
      await close(connection, found)
      throw error
    })
  }
  if (options.json === true) await printJson({ uuid, uri, socket, ...(device === undefined ? {} : { device }) })
  else await print(device ?? uri)
}

/** Deactivates and detaches a disk; one that is not active is no error. Throws OperationError where the driver refuses. */
export async function detach(
  connection: Connection,
  text: string,
  options: { readonly device?: string; readonly force?: true },
): Promise<void> {
  const found = await findDisk(connection, text)
  if (options.device !== undefined) await disconnectDevice(connection.environment.system, options.device)
  if (options.force !== true) await refuseClients(connection, found)
  await close(connection, found)
  remark(`${nameOf(found.vdi)} is closed`)
}

/** Opens a disk for as long as `body` takes, which leaves no client behind. Throws OperationError where the driver refuses. */
export async function usingDisk<T>(
  connection: Connection,
  text: string,
  body: (disk: OpenDisk) => Promise<T>,
): Promise<T> {
  const found = await findDisk(connection, text)
  const disk = await open(connection, found, true)
  try {
    return await body(disk)
  } finally {
    await close(connection, found)
  }
}

async function open(connection: Connection, { vdi, sr, driver }: Found, writable: boolean): Promise<OpenDisk> {
  const { system, paths } = connection.environment
  const link = nbdLink(paths, sr.uuid, vdi.uuid)
  if (await system.files.exists(link)) {
    throw new OperationError(`${nameOf(vdi)} is open already`, [`Close it first: sm vdi-detach ${vdi.uuid}`])
  }
  for (const command of ['vdi_attach', 'vdi_activate']) {
    await driverResult(connection, { driver, command, options: { vdi: vdi.uuid, arg: [String(writable)] } })
  }
  return { uuid: vdi.uuid, socket: await system.files.realpath(link) }
}

async function close(connection: Connection, { vdi, driver }: Found): Promise<void> {
  for (const command of ['vdi_deactivate', 'vdi_detach']) {
    await driverResult(connection, { driver, command, options: { vdi: vdi.uuid } })
  }
}

/** Ending a server under a client, above all the kernel's, loses what that has not written yet. */
async function refuseClients({ environment }: Connection, { sr, vdi }: Found): Promise<void> {
  const { system, paths } = environment
  const log = makeLogger({ ident: 'sm' })
  const socket = await targetOf(system.files, nbdLink(paths, sr.uuid, vdi.uuid))
  if (socket === undefined) return
  const datapath = await datapathOf({ system, paths, log }, socket)
  for (let tries = 0; ; tries += 1) {
    const clients = (await datapath.serving(socket))?.clients ?? 0
    if (clients === 0) return
    if (tries === GOODBYE_TRIES) {
      throw new OperationError(`${nameOf(vdi)} is in use by ${clients} client${clients === 1 ? '' : 's'}`, [
        'End them first; sm vdi-detach --device /dev/nbdN disconnects the kernel, --force does not wait for anybody.',
      ])
    }
    await new Promise(resolve => setTimeout(resolve, GOODBYE_WAIT_MS))
  }
}

async function findDisk(connection: Connection, text: string): Promise<Found> {
  const vdi = await findVdi(connection, text)
  const sr = await srOf(connection, vdi)
  const found = toObject(await connection.caller.call('SM.get_all_records'), 'SM.get_all_records')
  for (const [ref, value] of Object.entries(found)) {
    const record = toObject(value, ref)
    if (toText(record['type'], 'SM.type') !== sr.record.type) continue
    return { vdi, sr, driver: path.basename(toText(record['driver_filename'], 'SM.driver_filename')) }
  }
  throw new OperationError(`no driver for SRs of type ${sr.record.type} is installed`)
}
