import { Box, type BoxSr } from '../../conformance/sm-transcripts-box.ts'
import { readTranscript, type Line, type Step } from '../../conformance/sm-transcripts-format.ts'
import { Replay, srUuidOf } from '../../conformance/sm-transcripts-replay.ts'
import type { RunProgram } from '../../../lib/toolstack/storage/Executor.ts'
import { agentSystem } from './posixSpawn.ts'
import { runAsProcess, runInAgent } from './runInAgent.ts'

export interface TranscriptOptions {
  readonly scenario: string
  readonly sr: Omit<BoxSr, 'uuid' | 'runProgram' | 'system'>
}

/** One recorded line and what came of it here. */
export interface PlayedLine {
  readonly title: string
  readonly expected: unknown
  readonly ours: unknown
  /** What the reference did, where something else is expected of us. */
  readonly recorded?: unknown
  readonly problems: readonly string[]
}

/** Plays a recording of the reference in this guest. */
export class TranscriptPlayer {
  readonly #scenario: string
  readonly #box: Box
  readonly #replay: Replay
  readonly #lines: Line[]

  private constructor(scenario: string, box: Box, lines: readonly Line[]) {
    this.#scenario = scenario
    this.#box = box
    this.#replay = new Replay(scenario, box)
    this.#lines = [...lines]
  }

  static async open({ scenario, sr }: TranscriptOptions): Promise<TranscriptPlayer> {
    const lines = readTranscript(scenario)
    const uuid = srUuidOf(lines.filter((line): line is Step => line.kind === 'step'))
    return new TranscriptPlayer(scenario, await Box.open({ uuid, ...sr, runProgram, system: agentSystem() }), lines)
  }

  /** Plays the next line that has something to compare; undefined at the end. */
  async next(): Promise<PlayedLine | undefined> {
    for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
      if (line.kind === 'guest_io') await this.#replay.guestWrites(line.vdi, line.qemu_io)
      if (line.kind === 'content') {
        return { title: `${this.#scenario}: ${line.label}`, ...(await this.#replay.content(line)), problems: [] }
      }
      if (line.kind === 'step') return this.#step(line)
    }
    return undefined
  }

  async #step(line: Step): Promise<PlayedLine> {
    const { recorded, expected, ours, deviation, problems } = await this.#replay.step(line)
    const title = `${this.#scenario} ${line.n} ${line.cmd} [${line.label ?? ''}]`
    return { title, expected, ours, problems, ...(deviation === undefined ? {} : { recorded }) }
  }

  async close(): Promise<void> {
    await this.#box.close()
  }
}

/** What is written to stderr, as a probe does, only a process tells. */
const runProgram: RunProgram = (program, argument, environment) => {
  const run = argument.includes('<methodName>sr_probe<') ? runAsProcess : runInAgent
  return run(program, argument, environment)
}
