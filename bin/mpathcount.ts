import { runMpathcount } from '../drivers/lun/mpathcount.ts'

void runMpathcount().then(exitCode => {
  process.exitCode = exitCode
})
