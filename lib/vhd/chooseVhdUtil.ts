import { setting } from '../os/environment.ts'
import type { System } from '../os/system.ts'
import { type EmbeddedOptions, EmbeddedVhdUtil } from './EmbeddedVhdUtil.ts'
import type { VhdUtil } from './VhdUtil.ts'

/** Where blktap installs its tool. */
const NATIVE_PROGRAM = '/usr/bin/vhd-util'

export interface ChooseOptions extends EmbeddedOptions {
  /** `native`, `embedded` or the path of a program; default `$SM_VHD_UTIL`. */
  readonly spec?: string
}

/**
 * The VHD tool of this host: what `spec` says, else blktap's where it is installed and the suite works on the host's
 * own tree (no `$SM_ROOT`), else the embedded one.
 */
export async function chooseVhdUtil(
  system: Pick<System, 'files' | 'run' | 'newUuid' | 'now'>,
  { spec = setting('SM_VHD_UTIL'), ...limit }: ChooseOptions = {},
): Promise<VhdUtil> {
  const embedded = new EmbeddedVhdUtil(system, limit)
  const program = await nativeProgram(system, spec)
  if (program === undefined) return embedded
  const { NativeVhdUtil } = await import('./NativeVhdUtil.ts')
  return new NativeVhdUtil(system.run, program, embedded)
}

async function nativeProgram({ files }: Pick<System, 'files'>, spec: string | undefined): Promise<string | undefined> {
  if (spec === 'embedded') return undefined
  if (spec === 'native') return NATIVE_PROGRAM
  if (spec !== undefined) return spec
  const onHost = setting('SM_ROOT') === undefined && (await files.exists(NATIVE_PROGRAM))
  return onHost ? NATIVE_PROGRAM : undefined
}
