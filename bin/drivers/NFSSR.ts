import { answerWith } from '../../drivers/dispatch.ts'
import { NFSSR } from '../../drivers/NFSSR.ts'
import type { Request } from '../../lib/smapi/Request.ts'

export const answer = (request: Request): Promise<string> => answerWith(NFSSR, request)
