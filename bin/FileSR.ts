import { fileSrInfo } from '../drivers/file/info.ts'
import { runPlugin } from '../drivers/SRCommand.ts'

void runPlugin({ info: fileSrInfo, answer: async request => (await import('./drivers/FileSR.ts')).answer(request) })
