import { lvhdSrInfo } from '../lvhd/info.ts'

/** What an SR on a LUN can: its disks can also be attached while xapi is not there (spec iscsi-hba 1). */
export const LUN_CAPABILITIES: readonly string[] = [...lvhdSrInfo.capabilities, 'VDI_GENERATE_CONFIG']
