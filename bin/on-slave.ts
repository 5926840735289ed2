import { answerOnSlave } from '../drivers/onSlave.ts'

void answerOnSlave(process.argv[2] ?? '').then(answer => process.stdout.write(answer))
