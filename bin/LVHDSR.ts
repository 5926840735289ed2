import { lvhdSrInfo } from '../drivers/lvhd/info.ts'
import { runPlugin } from '../drivers/SRCommand.ts'

void runPlugin({ info: lvhdSrInfo, answer: async request => (await import('./drivers/LVHDSR.ts')).answer(request) })
