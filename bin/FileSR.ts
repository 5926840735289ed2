import { fileSrInfo } from '../drivers/file/info.ts'
import { runPlugin } from '../drivers/SRCommand.ts'

void runPlugin({ info: fileSrInfo, load: async () => (await import('../drivers/FileSR.ts')).FileSR })
