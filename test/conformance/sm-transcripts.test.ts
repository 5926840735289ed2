import * as fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { Box } from './sm-transcripts-box.ts'
import { allDeviations } from './sm-transcripts-deviations.ts'
import { readTranscript, type Step } from './sm-transcripts-format.ts'
import { Replay, srUuidOf } from './sm-transcripts-replay.ts'

const SCENARIOS = ['file-lifecycle', 'file-data', 'file-errors', 'file-fist', 'file-interrupted', 'file-misc']

/** Those that need the lab: test/lab/sm-transcripts.test.ts. */
const LAB_SCENARIOS = [
  ...['ext-basic', 'nfs3-basic', 'nfs4-basic', 'lvm-thick-lifecycle', 'lvm-thin', 'lvm-single', 'lvm-errors'],
  ...['lvm-crash', 'lvm-inflate-crash', 'hba-basic', 'iscsi-basic'],
]

/** Half a minute for all on an idle machine with two cores. */
const TIMEOUT_MS = 240_000

describe.concurrent('FileSR does what the reference was recorded doing', () => {
  test.for(SCENARIOS)('%s', { timeout: TIMEOUT_MS }, async (scenario, { expect }) => {
    const lines = readTranscript(scenario)
    const box = await Box.open(srUuidOf(lines.filter((line): line is Step => line.kind === 'step')))
    try {
      const replay = new Replay(scenario, box)
      for (const line of lines) {
        if (line.kind === 'guest_io') await replay.guestWrites(line.vdi, line.qemu_io)
        if (line.kind === 'content') {
          const { ours, expected } = await replay.content(line)
          expect.soft(ours, `${scenario}: ${line.label}`).toEqual(expected)
        }
        if (line.kind !== 'step') continue
        const { recorded, expected, ours, deviation, problems } = await replay.step(line)
        const title = `${scenario} ${line.n} ${line.cmd} [${line.label ?? ''}]`
        expect.soft(ours, title).toEqual(expected)
        if (deviation !== undefined) expect.soft(ours, `${title}: no longer deviates`).not.toEqual(recorded)
        expect.soft(problems, title).toEqual([])
      }
    } finally {
      await box.close()
    }
  })
})

describe('a deviation from the reference', () => {
  const documented = fs.readFileSync(path.join(import.meta.dirname, '../../docs/differences.md'), 'utf8')
  const recorded = [...SCENARIOS, ...LAB_SCENARIOS].flatMap(scenario =>
    readTranscript(scenario).flatMap(line => (line.kind === 'step' ? [`${scenario} ${line.n}`, line.cmd] : [])),
  )

  test.for(allDeviations())('is documented and concerns a recorded step: %s', ([place, deviation]) => {
    expect(documented).toContain(deviation.documented)
    expect(recorded).toContain(place)
  })
})
