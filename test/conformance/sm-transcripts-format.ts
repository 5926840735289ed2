import * as fs from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../support/World.ts'

/** One line of a recorded scenario, see `test/fixtures/sm-transcripts/README.md`. */
export type Line = Step | GuestWrites | Content | { readonly kind: 'scenario' | 'end' }

/** One execution of a plugin by the reference. */
export interface Step {
  readonly kind: 'step'
  readonly n: number
  readonly cmd: string
  readonly label?: string
  /** Fault injections of the reference. */
  readonly fists?: readonly string[]
  readonly request: string
  readonly response: string
  readonly stderr?: string
  readonly fault?: readonly [code: number, text: string]
  readonly trace: readonly TraceEvent[]
  readonly db: Changes
  readonly state?: State | 'unchanged'
}

/** Only XenAPI calls are looked at: `x` the method, `a` its arguments without the session, `r` the result. */
export interface TraceEvent {
  readonly x?: string
  readonly a?: readonly unknown[]
  readonly r?: unknown
}

/** Class, then `+uuid` (the record), `-uuid` (null) or `~uuid` (the changed fields). */
export type Changes = Readonly<Record<string, Readonly<Record<string, Fields | null>>>>

export type Fields = Readonly<Record<string, unknown>>

export interface State {
  readonly mounts: readonly (readonly string[])[]
  /** The SR's mount point. */
  readonly files?: Readonly<Record<string, FileFacts>>
  /** The SR's location, where it is not mounted. */
  readonly files_unattached?: Readonly<Record<string, FileFacts>>
  /** Paths of what is in the host's volatile directories, ` = ` and content after those of small files. */
  readonly run?: readonly string[]
  /** The SR's volume group, of an SR that has one. */
  readonly vg?: {
    readonly vg: { readonly vg_size: string; readonly vg_free: string }
    readonly lvs: Readonly<Record<string, VolumeFacts>>
  }
}

export interface VolumeFacts {
  /** Bytes. */
  readonly size: number
  /** As `lvs` prints them. */
  readonly attr: string
  readonly tags: string
  readonly vhd?: Fields
  /** Text of a journal that has some. */
  readonly journal?: string
  /** The metadata volume, without the padding of sectors. */
  readonly mgt?: { readonly sectors: readonly string[] }
}

export interface FileFacts {
  readonly size?: number
  readonly mode?: string
  readonly nlink?: number
  readonly dir?: boolean
  readonly content?: string
  readonly vhd?: Fields
}

export interface GuestWrites {
  readonly kind: 'guest_io'
  readonly vdi: string
  readonly qemu_io: readonly string[]
}

export interface Content {
  readonly kind: 'content'
  readonly vdi: string
  readonly label: string
  readonly sha256: string
  readonly virtual_size: number
  /** Names of the images, leaf first; of a file SR. */
  readonly chain?: readonly string[]
  /** Number of images; of a volume group. */
  readonly depth?: number
}

const FIXTURES = path.join(projectRoot, 'test/fixtures/sm-transcripts')

export function readTranscript(scenario: string): Line[] {
  const lines = fs
    .readFileSync(path.join(FIXTURES, `${scenario}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')
  return lines.map(line => JSON.parse(line) as Line)
}
