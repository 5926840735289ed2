import type { System } from '../../lib/os/system.ts'
import type { ExplainRevert } from '../../lib/toolstack/explain-revert.ts'

/** Lets a toolstack ask the drivers what a revert would do, which is theirs to know. */
export function explainForToolstack(system: System): ExplainRevert {
  return async (question, caller) => {
    const [{ explainVdiRevert }, { SmError }, { SmXapi }] = await Promise.all([
      import('../../drivers/explain.ts'),
      import('../../lib/smapi/SmError.ts'),
      import('../../lib/xapi/SmXapi.ts'),
    ])
    try {
      const { plan, blockers, depthBefore } = await explainVdiRevert(question, { system, xapi: new SmXapi(caller) })
      return {
        mode: plan.mode,
        virtualSize: plan.virtualSize,
        spaceNeeded: plan.spaceNeeded,
        depthBefore,
        depthAfter: plan.depthAfter,
        blockers: blockers.map(({ error, detail }) => ({ code: new SmError(error).code, text: `${error}: ${detail}` })),
      }
    } catch (error) {
      if (!(error instanceof SmError)) throw error
      return { mode: 'unknown', blockers: [{ code: error.code, text: `${error.errorName}: ${error.message}` }] }
    }
  }
}
