import { nfsSrInfo } from '../drivers/file/info.ts'
import { runPlugin } from '../drivers/SRCommand.ts'

void runPlugin({ info: nfsSrInfo, answer: async request => (await import('./drivers/NFSSR.ts')).answer(request) })
