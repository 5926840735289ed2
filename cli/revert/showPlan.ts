import type { RevertDecision } from '../../lib/vhd/revert-plan.ts'
import type { Connection } from '../connection.ts'
import { Refused } from '../failures.ts'
import { formatDate } from '../format/date.ts'
import { formatSize } from '../format/sizes.ts'
import { renderFields } from '../format/table.ts'
import { printable, shortUuid } from '../format/text.ts'
import { print, printJson } from '../output.ts'
import { nameOf } from '../resolve.ts'
import type { RevertChoice, RevertOptions } from './chooseRevert.ts'

/** A reason not to revert, as it would be reported. `code` is undefined for errors of XenAPI. */
interface Blocker {
  readonly error: string
  readonly code: number | undefined
  readonly detail: string
}

interface Outlook {
  readonly decision: RevertDecision & { depthBefore: number }
  readonly blockers: readonly Blocker[]
}

/** Prints what a revert would do. Changes nothing. Throws Refused where something blocks it. */
export async function showPlan(connection: Connection, choice: RevertChoice, options: RevertOptions): Promise<void> {
  const outlook = await foresee(connection, choice)
  if (options.json) await printJson(planJson(choice, outlook, options))
  else await print(describePlan(choice, outlook, options))
  if (outlook.blockers.length > 0) throw new Refused()
}

async function foresee(connection: Connection, { snapshot, target, sr }: RevertChoice): Promise<Outlook> {
  const [{ explainVdiRevert }, { SmError }] = await Promise.all([
    import('../../drivers/explain.ts'),
    import('../../lib/smapi/SmError.ts'),
  ])
  const question = {
    type: sr.record.type,
    deviceConfig: sr.pbd?.record.device_config ?? {},
    srUuid: sr.uuid,
    snapshotUuid: snapshot.uuid,
    targetUuid: target.uuid,
  }
  const decision = await explainVdiRevert(question, { system: connection.environment.system, xapi: connection.xapi })
  const coded = decision.blockers.map(({ error, detail }) => ({ error, detail, code: new SmError(error).code }))
  return { decision, blockers: [...(await attachmentBlockers(connection, target.ref)), ...coded] }
}

/** What the toolstack refuses before the driver is asked. */
async function attachmentBlockers({ xapi }: Connection, target: string): Promise<Blocker[]> {
  const vbds = await xapi.vbdRecordsWhere(`field "VDI" = "${target}"`)
  return [...vbds.values()]
    .filter(vbd => vbd.currently_attached)
    .map(vbd => ({
      error: 'VDI_IN_USE',
      code: undefined,
      detail: `a virtual machine has the disk attached (VBD ${vbd.uuid})`,
    }))
}

function describePlan(choice: RevertChoice, { decision, blockers }: Outlook, options: RevertOptions): string {
  const { snapshot, target } = choice
  const heading = `${nameOf(target)} back to snapshot ${nameOf(snapshot)} of ${formatDate(snapshot.record.snapshot_time)}\n`
  const verdict =
    blockers.length === 0
      ? '\nNothing stands in the way. Nothing was changed: leave out --dry-run to do it.\n'
      : `\nBlocked by:\n${blockers.map(blockerLine).join('')}Nothing was changed.\n`
  return `${heading}\n${renderFields(planFields(choice, decision, options))}${verdict}`
}

function blockerLine({ error, code, detail }: Blocker): string {
  return `  ${error}${code === undefined ? '' : ` (${code})`}: ${printable(detail)}\n`
}

function planFields(
  { target }: RevertChoice,
  { plan, depthBefore }: Outlook['decision'],
  { keepSize }: RevertOptions,
): [string, string][] {
  const before = target.record.virtual_size
  const after = plan.virtualSize
  const grown = keepSize && after < before ? `, then grown to ${formatSize(before)}` : ''
  return [
    ['how', inWords(plan)],
    ['size', `${formatSize(before)} now, ${formatSize(after)} afterwards${grown}`],
    ['chain', `${images(depthBefore)} now, ${images(plan.depthAfter)} afterwards`],
    ['space needed', plan.spaceNeeded === 0 ? 'none' : `${formatSize(plan.spaceNeeded)} for new metadata`],
    ['given up', plan.mode === 'nothing' ? 'nothing' : givenUp(target.record.physical_utilisation)],
  ]
}

function inWords({ mode, backing, hideBacking }: RevertDecision['plan']): string {
  switch (mode) {
    case 'nothing':
      return 'nothing to do: the disk is an untouched child of the right parent already'
    case 'relink': {
      const hidden = hideBacking ? ', which gets hidden' : ''
      return `relink: the disk becomes an empty child of ${shortUuid(backing)}${hidden}; the snapshot is not touched`
    }
    case 'split':
      return 'split: the image of the snapshot becomes a hidden base copy, with the snapshot and the disk as empty children'
  }
}

function givenUp(bytes: number): string {
  return `what was written to the disk since: ${formatSize(bytes)} on disk`
}

function images(count: number): string {
  return count === 1 ? '1 image' : `${count} images`
}

function planJson(
  { snapshot, target }: RevertChoice,
  { decision, blockers }: Outlook,
  { keepSize }: RevertOptions,
): object {
  const { plan, depthBefore } = decision
  const sizeBefore = target.record.virtual_size
  return {
    snapshot: snapshot.uuid,
    target: target.uuid,
    possible: blockers.length === 0,
    mode: plan.mode,
    backing: plan.backing,
    virtual_size_before: sizeBefore,
    virtual_size_after: keepSize ? Math.max(sizeBefore, plan.virtualSize) : plan.virtualSize,
    depth_before: depthBefore,
    depth_after: plan.depthAfter,
    space_needed: plan.spaceNeeded,
    blockers: blockers.map(({ error, code, detail }) => ({ error, code: code ?? null, detail })),
  }
}
