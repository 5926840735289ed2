import { iscsiSrInfo } from '../drivers/iscsi/info.ts'
import { runPlugin } from '../drivers/SRCommand.ts'

void runPlugin({
  info: iscsiSrInfo,
  answer: async request => (await import('./drivers/LVHDoISCSISR.ts')).answer(request),
})
