import * as fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach } from 'vitest'
import { type EffectKind, Effects, errnoError } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'
import { EmbeddedVhdUtil } from '../../../lib/vhd/EmbeddedVhdUtil.ts'
import { openImage } from '../../../lib/vhd/openImage.ts'

export const MIB = 1024 * 1024
export const BLOCK = 2 * MIB

/** 2024-01-02T03:04:05Z */
const NOW = 1_704_164_645_000

const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true })
})

/** A fresh folder that goes when the test ends. */
export function scratch(): string {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'vhd-')))
  directories.push(directory)
  return directory
}

export const files = new Files(new Effects(''))

let made = 0

export function newUuid(): string {
  made += 1
  return `00000000-0000-4000-8000-${String(made).padStart(12, '0')}`
}

export function makeUtil(options: { boundary?: string; files?: Files } = {}): EmbeddedVhdUtil {
  const { boundary } = options
  const system = { files: options.files ?? files, newUuid, now: () => NOW }
  return new EmbeddedVhdUtil(system, boundary === undefined ? {} : { boundary })
}

/** From the n-th effect on nothing reaches the disk any more, as after a kill. */
export class PowerCut extends Effects {
  readonly #at: number
  #seen = 0

  constructor(at: number) {
    super('')
    this.#at = at
  }

  override before(kind: EffectKind, detail: string): void {
    this.#seen += 1
    if (this.#seen >= this.#at) throw errnoError('EIO', `no power for ${kind} ${detail}`)
  }
}

export function filesCutAt(effect: number): Files {
  return new Files(new PowerCut(effect))
}

/** The n-th effect fails for lack of space, all others work. */
export function filesFailingAt(effect: number): Files {
  return new Files(new Effects(`effect:${effect}=ENOSPC`))
}

/** Counts the effects of an operation on `Files`, and tells them to `seen`. */
export async function countEffects(operation: (files: Files) => Promise<void>, seen: string[] = []): Promise<number> {
  const before = seen.length
  await operation(
    new Files(
      new Effects('', (_, __, detail) => {
        seen.push(detail)
      }),
    ),
  )
  return seen.length - before
}

export async function writeGuest(file: string, position: number, bytes: Buffer): Promise<void> {
  const image = await openImage(files, file, { write: true })
  await image.write(position, bytes).finally(() => image.close())
}

export async function readGuest(file: string, boundary?: string): Promise<Buffer> {
  const image = await openImage(files, file, boundary === undefined ? {} : { boundary })
  return image.read(0, image.virtualSize).finally(() => image.close())
}

/** A fair coin, the same for the same seed. */
export function coin(seed: number): () => boolean {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state & 1) === 1
  }
}
