import { answerWith } from '../../drivers/dispatch.ts'
import { EXTSR } from '../../drivers/EXTSR.ts'
import type { Request } from '../../lib/smapi/Request.ts'

export const answer = (request: Request): Promise<string> => answerWith(EXTSR, request)
