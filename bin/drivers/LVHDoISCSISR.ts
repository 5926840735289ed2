import { answerWith } from '../../drivers/dispatch.ts'
import { LVHDoISCSISR } from '../../drivers/LVHDoISCSISR.ts'
import type { Request } from '../../lib/smapi/Request.ts'

export const answer = (request: Request): Promise<string> => answerWith(LVHDoISCSISR, request)
