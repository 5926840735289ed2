import { extSrInfo } from '../drivers/file/info.ts'
import { runPlugin } from '../drivers/SRCommand.ts'

void runPlugin({ info: extSrInfo, answer: async request => (await import('./drivers/EXTSR.ts')).answer(request) })
