import { answerWith } from '../../drivers/dispatch.ts'
import { LVHDoHBASR } from '../../drivers/LVHDoHBASR.ts'
import type { Request } from '../../lib/smapi/Request.ts'

export const answer = (request: Request): Promise<string> => answerWith(LVHDoHBASR, request)
