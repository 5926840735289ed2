import * as fs from 'node:fs/promises'
import path from 'node:path'
import { isObject } from '../../lib/xapi/protocol.ts'
import { SR_REF, type Answer, type Box } from './sm-transcripts-box.ts'
import {
  capacityProblems,
  changesBetween,
  pairNewDisks,
  readDatabase,
  readRefs,
  type Database,
} from './sm-transcripts-database.ts'
import { deviationOf, type Deviation } from './sm-transcripts-deviations.ts'
import {
  readTranscript,
  type Changes,
  type Content,
  type Line,
  type State,
  type Step,
} from './sm-transcripts-format.ts'
import { guestDisksOf, type GuestView } from './sm-transcripts-guest.ts'
import { Names } from './sm-transcripts-names.ts'
import { orderProblems } from './sm-transcripts-order.ts'
import { prepareVolumeStep } from './sm-transcripts-out-of-band-lvm.ts'
import { prepareStep, unlistedWrites } from './sm-transcripts-out-of-band.ts'
import { endInterrupted, pairJournals, withoutContent } from './sm-transcripts-volumes.ts'
import { answerFacts, ourOutcome, placeOf, recordedOutcome, type Outcome } from './sm-transcripts-outcome.ts'

/** A step as the reference did it and as it went here. */
export interface Replayed {
  readonly recorded: Outcome
  /** What is expected of us: the same, unless there is a deviation. */
  readonly expected: Outcome
  readonly ours: Outcome
  readonly deviation: Deviation | undefined
  /** What is wrong with what cannot be compared: figures of the file system, and the order of effects. */
  readonly problems: readonly string[]
}

/** Plays one scenario, line by line, in a box. */
export class Replay {
  readonly #scenario: string
  readonly #box: Box
  readonly #names: Names
  /** What `unchanged` in the recording refers to. */
  #state: State | undefined
  /** Our files when they were last looked at. */
  #files: Outcome['files']
  /** Our volume group, then. */
  #group: Outcome['group']
  /** What snapshots and clones were called, by the number of the step that made them. */
  readonly #named: ReadonlyMap<number, Named>
  /** Disks that a guest wrote to. */
  readonly #written = new Set<string>()

  constructor(scenario: string, box: Box) {
    this.#scenario = scenario
    this.#box = box
    this.#names = new Names(box.places)
    this.#named = namesGiven(readTranscript(scenario))
  }

  async step(step: Step): Promise<Replayed> {
    const id = `${this.#scenario} ${step.n}`
    const deviation = deviationOf(id)
    const recorded = recordedOutcome(step, this.#state, this.#box)
    if (typeof step.state === 'object') this.#state = step.state
    const prepare = this.#box.isVolumeGroup ? prepareVolumeStep : prepareStep
    await prepare(this.#box, this.#names, id)
    const unlisted = unlistedWrites[id]
    if (unlisted !== undefined) await this.guestWrites(memberOf(step.request, 'vdi_uuid'), [unlisted])
    const before = await readDatabase(this.#box)
    const answer = await this.#execute(step)
    const after = await readDatabase(this.#box)
    const changes = changesBetween(before, after)
    await this.#learnNames(step, { answer, changes }, deviation)
    if (this.#box.isVolumeGroup && recorded.group !== undefined)
      await pairJournals(this.#box, this.#names, recorded.group)
    const place = step.state === undefined || this.#state === undefined ? undefined : placeOf(this.#state, this.#box)
    const expected = deviation?.expected(recorded, this.#files, this.#group) ?? recorded
    const ours = comparedWith(expected, await ourOutcome(this.#box, this.#names, { answer, changes, place }))
    this.#files = ours.files ?? this.#files
    this.#group = ours.group ?? this.#group
    await this.#afterwards(step, ours, deviation)
    const succeeded = ours.fault === undefined && ours.exitCode === 0
    const order = succeeded ? orderProblems(step.cmd, await this.#takeTrace()) : []
    const shown = (outcome: Outcome) => (this.#box.isOnLun ? asSeenOnLun(step.cmd, outcome) : outcome)
    return {
      ...{ recorded: shown(recorded), expected: shown(expected), ours: shown(ours), deviation },
      problems: [...order, ...(await this.#capacityProblems(step, after))],
    }
  }

  async guestWrites(vdi: string, commands: readonly string[]): Promise<void> {
    this.#written.add(vdi)
    await guestDisksOf(this.#box).write(this.#names.ourUuid(vdi), commands)
  }

  /** What a guest reads of a disk: as it was recorded, and here in recorded names. */
  async content({ vdi, sha256, virtual_size, chain, depth }: Content): Promise<Record<'expected' | 'ours', GuestView>> {
    const view = await guestDisksOf(this.#box).view(this.#names.ourUuid(vdi))
    // What a raw volume holds that nobody wrote to is what was on the disk before.
    const stale = view.isRaw === true && !this.#written.has(vdi) ? { sha256: 'stale' } : {}
    const images = { ...(chain && { chain }), ...(depth && { depth, isRaw: view.isRaw === true }) }
    const expected = { sha256, virtual_size, ...images, ...stale }
    return { expected, ours: { ...(this.#names.valueToRecorded(view) as GuestView), ...stale } }
  }

  async #execute(step: Step): Promise<Answer> {
    const request = this.#names.toOurs(step.request, this.#box.session)
    const [fist] = (step.fists ?? []).filter(name => name !== 'LVHDRT_exit')
    const point = FULL_AFTER[fist ?? '']
    if (point !== undefined) return this.#executeOnFullDisk(request, point)
    await this.#takeTrace()
    const answer = await this.#box.run(request, [`trace:${this.#trace}`, ...(fist === undefined ? [] : [fist])].join())
    if (answer.stdout === '') await endInterrupted(this.#box, memberOf(request, 'vdi_ref'))
    return answer
  }

  /**
   * Runs a snapshot that finds the disk full when it creates its first VHD. Which effect that is shows in the trace of a
   * run that fails later, at `point`, and takes everything back.
   */
  async #executeOnFullDisk(request: string, point: string): Promise<Answer> {
    const { fault } = answerFacts((await this.#box.run(request, `trace:${this.#trace},${point}=ENOSPC`)).stdout)
    if (fault?.[0] !== 81) throw new Error(`the snapshot did not fail at ${point}`)
    const creation = /^(\d+) file create .*\.vhd\.new$/m.exec(await this.#takeTrace())?.[1]
    if (creation === undefined) throw new Error('no VHD was created')
    return this.#box.run(request, `effect:${creation}=ENOSPC`)
  }

  get #trace(): string {
    return path.join(this.#box.directory, 'trace')
  }

  /** The effects of the last execution. */
  async #takeTrace(): Promise<string> {
    const { files } = this.#box.system
    const trace = (await files.exists(this.#trace)) ? await files.readText(this.#trace) : ''
    await files.unlinkIfPresent(this.#trace)
    return trace
  }

  async #learnNames(step: Step, done: { answer: Answer; changes: Changes }, deviation?: Deviation): Promise<void> {
    const own = uuidIn(answerFacts(done.answer.stdout).response)
    const theirs = uuidIn(answerFacts(step.response).response) ?? deviation?.newDisk
    if (own !== undefined && theirs !== undefined) this.#names.pair(theirs, own)
    pairNewDisks(this.#names, step.db, done.changes)
    const refs = await readRefs(this.#box)
    for (const [key, fields] of Object.entries(step.db['VDI'] ?? {})) {
      const ref = refs.get(this.#names.ourUuid(key.slice(1)))
      if (key.startsWith('+') && ref !== undefined) this.#names.pair(String(fields?.['ref']), ref)
    }
  }

  /** What xapi does once a command has succeeded, and what a guest's start and stop would do to the record. */
  async #afterwards(step: Step, ours: Outcome, deviation?: Deviation): Promise<void> {
    const made = uuidIn(ours.response)
    if (deviation?.newDisk !== undefined && made !== undefined) await this.#delete(step, made)
    else if (made !== undefined && ['vdi_snapshot', 'vdi_clone'].includes(step.cmd)) await this.#nameBranch(step, made)
  }

  async #nameBranch(step: Step, made: string): Promise<void> {
    const refs = await readRefs(this.#box)
    const ref = refs.get(this.#names.ourUuid(made)) ?? ''
    const isSnapshot = step.cmd === 'vdi_snapshot'
    const source = memberOf(this.#names.toOurs(step.request, ''), 'vdi_ref')
    const { label, time } = this.#named.get(step.n) ?? { label: 'snap', time: '20260101T00:00:00Z' }
    await this.#box.call('VDI.set_name_label', ref, label)
    await this.#box.call('VDI.set_is_a_snapshot', ref, isSnapshot)
    await this.#box.call('VDI.set_snapshot_time', ref, time)
    await this.#box.call('VDI.set_snapshot_of', ref, isSnapshot ? source : 'OpaqueRef:NULL')
  }

  /** Takes away what only we made, so that the recording goes on from the same state. */
  async #delete(step: Step, made: string): Promise<void> {
    const uuid = this.#names.ourUuid(made)
    const ref = (await readRefs(this.#box)).get(uuid) ?? ''
    const request = this.#names
      .toOurs(step.request, this.#box.session)
      .replaceAll(step.cmd, 'vdi_delete')
      .replace(/(<name>vdi_ref<\/name><value>)[^<]*/, `$1${ref}`)
      .replace(/(<name>vdi_(?:uuid|location)<\/name><value>)[^<]*/g, `$1${uuid}`)
    const { fault } = answerFacts((await this.#box.run(request)).stdout)
    if (fault !== undefined) throw new Error(`${made} cannot be deleted: ${fault.join(' ')}`)
  }

  /** The figures must be right once the reference has set them. */
  async #capacityProblems(step: Step, after: Database): Promise<string[]> {
    const told = ['sr_attach', 'sr_scan', 'sr_update'].includes(step.cmd) && step.fault === undefined
    if (!told || !(await this.#box.isMounted())) return []
    const { blocks, bsize } = await fs.statfs(this.#box.location)
    return capacityProblems(after, this.#box.srUuid, blocks * bsize)
  }
}

interface Named {
  readonly label: string
  readonly time: string
}

/** The `vdi_update` that follows a snapshot or clone reads what it has been called. */
function namesGiven(lines: readonly Line[]): Map<number, Named> {
  const steps = lines.filter((line): line is Step => line.kind === 'step')
  const named = steps.flatMap(({ cmd, trace }, at): [number, Named][] => {
    const [before] = steps.slice(Math.max(0, at - 1), at)
    const read = (method: string) => trace.find(({ x }) => x === method)?.r
    const [label, time] = [read('VDI.get_name_label'), read('VDI.get_snapshot_time')]
    if (cmd !== 'vdi_update' || before === undefined || typeof label !== 'string' || !isObject(time)) return []
    return [[before.n, { label, time: String(time['dateTime']) }]]
  })
  return new Map(named)
}

/**
 * What was recorded of the content of volumes on a LUN came from a cache of before (no header of a volume that had just
 * been made, no entry of the metadata volume), but where an attach or detach had just dropped it.
 */
function asSeenOnLun(command: string, outcome: Outcome): Outcome {
  if (outcome.group === undefined || command === 'sr_attach' || command === 'sr_detach') return outcome
  return { ...outcome, group: withoutContent(outcome.group) }
}

/** A detail is compared where the other side has one: more of it does no harm. */
function comparedWith(expected: Outcome, ours: Outcome): Outcome {
  return expected.fault?.[1] === undefined && ours.fault !== undefined
    ? { ...ours, fault: [ours.fault[0], undefined] }
    : ours
}

/** The scenario's faults, by the crash point of ours behind which its first VHD has been created. */
const FULL_AFTER: Readonly<Record<string, string>> = {
  FileSR_fail_snap1: 'FileSR_snapshot_leaf',
  FileSR_fail_snap2: 'FileSR_snapshot_destination',
}

function uuidIn(response: unknown): string | undefined {
  const uuid = isObject(response) ? response['uuid'] : undefined
  return typeof uuid === 'string' ? uuid : undefined
}

function memberOf(request: string, name: string): string {
  return new RegExp(`<name>${name}</name><value>([^<]*)`).exec(request)?.[1] ?? ''
}

/** The SR that a scenario is about. */
export function srUuidOf(steps: readonly Step[]): string {
  const uuid = steps.map(step => memberOf(step.request, 'sr_uuid')).find(found => found !== '')
  if (uuid === undefined) throw new Error(`no step names an SR but ${SR_REF}`)
  return uuid
}
