import { answerWith } from '../../drivers/dispatch.ts'
import { LVHDSR } from '../../drivers/LVHDSR.ts'
import type { Request } from '../../lib/smapi/Request.ts'

export const answer = (request: Request): Promise<string> => answerWith(LVHDSR, request)
