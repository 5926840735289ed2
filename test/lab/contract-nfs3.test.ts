import { describeNfsContract } from './nfsContract.ts'

describeNfsContract('3', { step: 6, offset: 2 })
