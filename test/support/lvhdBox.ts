import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { groupName } from '../../lib/lvm/names.ts'
import { LvmBox } from './LvmBox.ts'
import { LvmWorld } from './LvmWorld.ts'

export interface BoxOptions {
  readonly allocation?: 'thick' | 'thin'
  /** Extents of 4 MiB. */
  readonly extents?: number
  /** Directory of the host plugins, as `WorldOptions`; those of `bin` run in this process. */
  readonly hostPluginDir?: string
}

export interface Box {
  readonly world: LvmWorld
  readonly lvm: LvmBox
}

/** An LVHD SR on the model of LVM, attached and empty. */
export async function openBox(options: BoxOptions = {}): Promise<Box> {
  const { allocation = 'thick', extents = 200, hostPluginDir } = options
  const root = await fs.mkdtemp(path.join(tmpdir(), 'sm-lvm-'))
  const [srUuid, directory] = [crypto.randomUUID(), path.join(root, 'lvm')]
  await fs.mkdir(directory)
  const lvm = new LvmBox(directory, groupName(srUuid), extents)
  const { runProgram } = lvm
  const sr = {
    type: 'lvhd',
    deviceConfig: { device: '/dev/loop9' },
    smConfig: { allocation },
    runProgram,
    srUuid,
    ...(hostPluginDir === undefined ? {} : { hostPluginDir }),
  } as const
  return { world: await LvmWorld.on(lvm, sr, root), lvm }
}
