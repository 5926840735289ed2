import * as fs from 'node:fs/promises'
import path from 'node:path'
import { isObject } from '../../lib/xapi/protocol.ts'
import { decodeMethodCall, decodeMethodResponse } from '../../lib/smapi/xmlrpc.ts'
import type { Answer, Box } from './sm-transcripts-box.ts'
import { comparable } from './sm-transcripts-database.ts'
import type { Changes, FileFacts, State, Step } from './sm-transcripts-format.ts'
import type { Names } from './sm-transcripts-names.ts'
import { decodeVhd } from './sm-transcripts-vhd.ts'
import { groupFacts, inactive, recordedGroup, referencesOf, type GroupFacts } from './sm-transcripts-volumes.ts'

/** What a step did, as far as it is a contract, in recorded names. */
export interface Outcome {
  readonly exitCode: number | null
  readonly stderr: string
  /** Code and `opterr` detail; the description before it is everybody's own. */
  readonly fault: readonly [code: number, detail: string | undefined] | undefined
  /** The decoded value; undefined for a fault. */
  readonly response: unknown
  readonly changes: Changes
  /** Calls of `tapdisk-pause`: function and arguments. */
  readonly pauses: readonly unknown[]
  /** Undefined where the recording does not tell. */
  readonly mounted: boolean | undefined
  readonly files: Readonly<Record<string, FileFacts>> | undefined
  /** Of an SR that has one, while it has. */
  readonly group: GroupFacts | undefined
  /** Who holds which volumes active: content of the refcount files, by uuid. Undefined where the recording does not tell. */
  readonly references: Readonly<Record<string, string>> | undefined
}

/** `before`: the state that `unchanged` refers to. */
export function recordedOutcome(step: Step, before: State | undefined, { srUuid, isVolumeGroup }: Box): Outcome {
  const state = step.state === 'unchanged' ? before : step.state
  const outcome: Outcome = {
    exitCode: 0,
    stderr: step.stderr ?? '',
    ...answerFacts(step.response),
    changes: comparable(step.db, { withCapacity: isVolumeGroup }),
    pauses: step.trace
      .filter(({ x, a }) => x === 'host.call_plugin' && a?.[1] === 'tapdisk-pause')
      .map(({ a }) => a?.slice(2)),
    mounted: state?.mounts.some(([, point]) => point?.endsWith(`/${srUuid}`) === true),
    files: state === undefined ? undefined : recordedFiles(state),
    group: state === undefined ? undefined : recordedGroup(state),
    references: state === undefined ? undefined : recordedReferences(state, srUuid),
  }
  return step.fists?.includes('LVHDRT_exit') === true ? interrupted(outcome) : outcome
}

/** Of a process that ended at a given point: ours is killed there. */
function interrupted(outcome: Outcome): Outcome {
  const { group } = outcome
  return { ...outcome, exitCode: null, fault: undefined, group: group && inactive(group), references: {} }
}

/** As `recordedOutcome`, of what has just been done here. `place`: the directory to list, undefined for none. */
export async function ourOutcome(
  box: Box,
  names: Names,
  done: { answer: Answer; changes: Changes; place: string | undefined },
): Promise<Outcome> {
  const { answer, changes, place } = done
  const facts = answerFacts(answer.stdout)
  const pauses = (await box.takePauses()).map(document => {
    const { method, params } = decodeMethodCall(document)
    return [method, plain(params[1])]
  })
  return {
    exitCode: answer.exitCode,
    stderr: names.toRecorded(answer.stderr),
    fault: facts.fault && [facts.fault[0], facts.fault[1] === undefined ? undefined : names.toRecorded(facts.fault[1])],
    response: names.valueToRecorded(facts.response),
    changes: names.valueToRecorded(comparable(changes, { withCapacity: box.isVolumeGroup })) as Changes,
    pauses: names.valueToRecorded(pauses) as unknown[],
    mounted: place === undefined ? undefined : await box.isMounted(),
    files: place === undefined ? undefined : await filesIn(place, names),
    group: place === undefined || box.group === undefined ? undefined : await groupFacts(box, names),
    references: place === undefined ? undefined : await ourReferences(box, names),
  }
}

/** The directory whose content a recorded state shows. */
export function placeOf(state: State, box: Box): string {
  return state.files === undefined ? box.location : box.mountPoint
}

/** Fault or value of an answer, neither of a process that was killed. Throws XmlRpcError for anything else. */
export function answerFacts(document: string): Pick<Outcome, 'fault' | 'response'> {
  if (document === '') return { fault: undefined, response: undefined }
  const answer = decodeMethodResponse(document.trimEnd())
  if (!('fault' in answer)) return { fault: undefined, response: readable(plain(answer.value)) }
  const { code, message } = answer.fault
  return { fault: [code, /\[opterr=(.*)\]$/s.exec(message)?.[1]], response: undefined }
}

/** Values that hide names in another encoding are shown decoded, so that names can be compared. */
function readable(value: unknown): unknown {
  if (typeof value === 'string' && value.includes('<methodCall>')) {
    const { method, params } = decodeMethodCall(value)
    return { method, params: plain(params) }
  }
  if (!isObject(value)) return value
  const pages = /^scsi\/0x12\//
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (pages.test(key) && typeof item === 'string') return [key, pageText(item, value['vdi-uuid'])]
      return [key, readable(item)]
    }),
  )
}

/** An inquiry page with the uuid, or the part of it that it holds, replaced by a word. */
function pageText(page: string, uuid: unknown): string {
  const text = Buffer.from(page, 'base64').toString('latin1')
  return typeof uuid === 'string' ? text.replace(uuid, 'UUID').replace(uuid.slice(0, 16), 'UUID[0..16]') : text
}

function recordedFiles(state: State): Record<string, FileFacts> {
  const files = state.files ?? state.files_unattached ?? {}
  const kept = Object.entries(files).filter(([name]) => name !== 'filelog.txt')
  return Object.fromEntries(
    kept.map(([name, facts]) => [name, facts.vhd?.['error'] === undefined ? facts : sizeOnly(facts)]),
  )
}

/** Every file of a directory, names and facts in recorded names. A missing directory has none. */
export async function filesIn(directory: string, names: Names): Promise<Record<string, FileFacts>> {
  const found: Record<string, FileFacts> = {}
  for (const name of (await listing(directory)).sort()) {
    const facts = await factsOf(path.join(directory, name))
    found[names.toRecorded(name)] = names.valueToRecorded(facts) as FileFacts
  }
  return found
}

async function factsOf(file: string): Promise<FileFacts> {
  const stat = await fs.stat(file)
  if (stat.isDirectory()) return { dir: true }
  const facts = { size: stat.size, mode: `0o${(stat.mode & 0o777).toString(8)}`, nlink: stat.nlink }
  if (file.endsWith('.txt') || file.endsWith('.conf')) return { ...facts, content: await fs.readFile(file, 'utf8') }
  if (!file.endsWith('.vhd')) return facts
  const content = await fs.readFile(file)
  const { length: size } = content
  if (content.toString('latin1', size - 512, size - 504) !== 'conectix') return facts
  const read = (position: number, length: number) => Promise.resolve(content.subarray(position, position + length))
  const vhd = await decodeVhd({ size, read })
  return vhd === undefined ? facts : { ...facts, vhd }
}

function sizeOnly({ size, mode, nlink }: FileFacts): FileFacts {
  return { size: size ?? 0, mode: mode ?? '', nlink: nlink ?? 0 }
}

function recordedReferences({ run = [] }: State, srUuid: string): Record<string, string> {
  const directory = `/run/sm/refcount/lvm-${srUuid}/`
  const lines = run.filter(line => line.startsWith(directory) && line.includes(' = '))
  return Object.fromEntries(
    lines.map(line => {
      const [name = '', content = ''] = line.slice(directory.length).split(' = ')
      return [name, content.replace(/\\n$/, '')]
    }),
  )
}

async function ourReferences(box: Box, names: Names): Promise<Record<string, string>> {
  const directory = referencesOf(box)
  const found: Record<string, string> = {}
  for (const name of (await listing(directory)).sort()) {
    found[names.toRecorded(name)] = (await fs.readFile(path.join(directory, name), 'utf8')).trimEnd()
  }
  return found
}

async function listing(directory: string): Promise<string[]> {
  try {
    return await fs.readdir(directory)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** Without classes and prototypes of the decoder. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
