import { answerWith } from '../../drivers/dispatch.ts'
import { FileSR } from '../../drivers/FileSR.ts'
import type { Request } from '../../lib/smapi/Request.ts'

export const answer = (request: Request): Promise<string> => answerWith(FileSR, request)
