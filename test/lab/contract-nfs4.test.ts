import { describeNfsContract } from './nfsContract.ts'

describeNfsContract('4', { step: 6, offset: 3 })
