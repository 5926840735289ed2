import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { groupName } from '../../lib/lvm/names.ts'
import { BOX_LUN, LvmBox } from './LvmBox.ts'
import { LvmWorld } from './LvmWorld.ts'
import type { WorldOptions } from './World.ts'

export interface BoxOptions {
  readonly allocation?: 'thick' | 'thin'
  /** On a LUN in place of a disk of the host. */
  readonly onLun?: boolean
  /** Extents of 4 MiB. */
  readonly extents?: number
}

export interface Box {
  readonly world: LvmWorld
  readonly lvm: LvmBox
}

/** An LVHD SR on the model of LVM, attached and empty. */
export async function openBox({ allocation = 'thick', extents = 200, onLun = false }: BoxOptions = {}): Promise<Box> {
  const root = await fs.mkdtemp(path.join(tmpdir(), 'sm-lvm-'))
  const [srUuid, directory] = [crypto.randomUUID(), path.join(root, 'lvm')]
  await fs.mkdir(directory)
  const lvm = new LvmBox(directory, groupName(srUuid), extents)
  const { runProgram } = lvm
  const options = {
    type: onLun ? 'lvmohba' : 'lvhd',
    deviceConfig: onLun ? { SCSIid: BOX_LUN } : { device: '/dev/loop9' },
    smConfig: { allocation },
    runProgram,
    srUuid,
  } satisfies WorldOptions
  return { world: await LvmWorld.on(lvm, options, root), lvm }
}
