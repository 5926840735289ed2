import { createHash } from 'node:crypto'
import * as fs from 'node:fs/promises'
import path from 'node:path'
import { EmbeddedVhdUtil } from '../../lib/vhd/EmbeddedVhdUtil.ts'
import type { Box } from './sm-transcripts-box.ts'
import type { Names } from './sm-transcripts-names.ts'

/** The SR's directory by recorded names. */
interface Directory {
  readonly tool: EmbeddedVhdUtil
  /** Path of a file, by its recorded name. */
  readonly at: (name: string) => string
}

type Deed = (directory: Directory) => Promise<void>

const MIB = 1024 * 1024
const STRAY = 'f11e0000-0000-4000-8000-000000000f01.vhd'
const MISSING = 'f11e0000-0000-4000-8000-000000000e01.vhd'
const CORRUPT = 'f11e0000-0000-4000-8000-000000000e09.vhd'
const LEAF = '0e000001-0000-4000-8000-000000000001.vhd'
const NEW_LEAF = `${LEAF}.new`
const PARENT = 'f11e0000-0000-4000-8000-000000000b01.vhd'
const SECOND = 'f11e0000-0000-4000-8000-000000000b02.vhd'

/** The share has lost its hard links. The reference finds that out when the answer is not there, here it is found out by an attach. */
const withoutHardLinks: Deed = ({ at }) => fs.writeFile(at('sm-hardlink.conf'), '0')

/** What somebody did to the directory before a step, by scenario and number of the step (its label tells). */
const deeds: Readonly<Record<string, Deed>> = {
  'file-lifecycle 24': async ({ tool, at }) => {
    await tool.create(at(STRAY), 6 * MIB)
    await fs.writeFile(at('f11e0000-0000-4000-8000-000000000f02.raw'), Buffer.alloc(MIB))
    await fs.writeFile(at('notes.txt'), 'hi\n')
  },
  'file-lifecycle 25': ({ at }) => fs.unlink(at(STRAY)),
  'file-lifecycle 26': ({ tool, at }) => tool.setHidden(at('0a00000c-0000-4000-8000-00000000000c.vhd'), true),
  'file-errors 19': ({ at }) => fs.rename(at(MISSING), at('away')),
  'file-errors 24': ({ at }) => fs.unlink(at('away')),
  'file-errors 32': ({ at }) => fs.writeFile(at(CORRUPT), noise(700)),
  'file-errors 33': ({ at }) => fs.unlink(at(CORRUPT)),
  'file-interrupted 8': ({ at }) => fs.link(at(LEAF), at(PARENT)),
  'file-interrupted 9': ({ tool, at }) => tool.snapshot(at(NEW_LEAF), at(PARENT)),
  'file-interrupted 10': async ({ tool, at }) => {
    await tool.snapshot(at(NEW_LEAF), at(PARENT))
    await fs.rename(at(NEW_LEAF), at(LEAF))
  },
  'file-interrupted 11': ({ tool, at }) => tool.snapshot(at(SECOND), at(PARENT)),
  'nfs3-basic 25': withoutHardLinks,
  'nfs4-basic 25': withoutHardLinks,
  'file-interrupted 12': ({ tool, at }) => tool.setHidden(at(PARENT), true),
}

/**
 * What the guest of an active disk wrote that the recording does not list. Found by trying patterns until the recorded
 * hashes came out.
 */
export const unlistedWrites: Readonly<Record<string, string>> = {
  'file-data 25': 'write -P 0x77 1M 64k',
  'file-data 26': 'write -P 0x78 1M 64k',
  'lvm-thin 7': 'write -P 0x91 0 5M',
  'lvm-thin 20': 'write -P 0x92 6M 1M',
}

/** Does what was done behind the plugin's back before this step, if anything. */
export async function prepareStep(box: Box, names: Names, step: string): Promise<void> {
  const tool = new EmbeddedVhdUtil(box.system, { boundary: box.location })
  await deeds[step]?.({ tool, at: name => path.join(box.location, ourName(names, name)) })
}

/** A recorded file name in our uuids. */
export function ourName(names: Names, name: string): string {
  return `${names.ourUuid(name.slice(0, 36))}${name.slice(36)}`
}

/** Bytes that are the same on every run and no VHD. */
function noise(length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, n) => createHash('sha256').update(`${n}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}
