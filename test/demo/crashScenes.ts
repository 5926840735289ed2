import type { Connection } from '../../cli/connection.ts'
import { XapiError } from '../../lib/xapi/XapiClient.ts'
import { type Cast, proveState, type Moment } from './Cast.ts'
import type { Report } from './Report.ts'
import type { Stage } from './Stage.ts'

interface Crash {
  readonly killPoint: string
  readonly when: string
  /** The snapshot that is being reverted to when the driver dies. */
  readonly towards: Moment
  readonly claim: string
  /** What the disk must hold after recovery. */
  readonly expected: Moment
}

/** Kills the driver at both sides of the commit and shows what a scan makes of it. The disk is at `second` before. */
export async function crashScenes(stage: Stage, report: Report, cast: Cast): Promise<void> {
  report.heading('Killed at the worst moments, recovered by a scan')
  const { first, second } = cast
  const { beforeCommit, afterCommit } = cast.storage.killPoints
  await crash(stage, report, cast, {
    killPoint: beforeCommit,
    when: 'just before the commit',
    towards: first,
    claim: "nothing happened, as at 'second'",
    expected: second,
  })
  await crash(stage, report, cast, {
    killPoint: afterCommit,
    when: 'just after the commit',
    towards: first,
    claim: "it is done, as at 'first'",
    expected: first,
  })
}

async function crash(stage: Stage, report: Report, cast: Cast, scene: Crash): Promise<void> {
  await stage.withToolstack(
    async connection => {
      const journals = await report.step(
        `VDI.revert, SIGKILL ${scene.when}`,
        async () => {
          await requireDeath(connection, scene.towards)
          return cast.storage.journals(connection, cast.sr.uuid)
        },
        names => report.colours.yellow(`left behind: ${names.join(', ')}`),
      )
      if (journals.length !== 1) report.prove('the journal tells of it', { 'one journal': false })
    },
    { killPoint: scene.killPoint },
  )
  await stage.withToolstack(async connection => {
    await report.step('SR.scan', () => connection.caller.call('SR.scan', cast.sr.ref))
    await proveState(connection, report, { cast, moment: scene.expected, claim: scene.claim })
  })
}

/** Throws where the driver does not die. */
async function requireDeath({ caller }: Connection, { snapshot }: Moment): Promise<void> {
  try {
    await caller.call('VDI.revert', snapshot)
  } catch (error) {
    if (error instanceof XapiError && error.message.includes('SIGKILL')) return
    throw error
  }
  throw new Error('the driver did not die where it should have')
}
