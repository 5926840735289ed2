import { lvhdOverHbaInfo } from '../drivers/hba/info.ts'
import { runPlugin } from '../drivers/SRCommand.ts'

void runPlugin({
  info: lvhdOverHbaInfo,
  answer: async request => (await import('./drivers/LVHDoHBASR.ts')).answer(request),
})
