import type { DriverInfo } from '../../lib/smapi/DriverInfo.ts'
import { LUN_CAPABILITIES } from '../lun/capabilities.ts'

/** What sr_get_driver_info answers for LVHDoISCSISR and LVMoISCSISR (spec iscsi-hba 1). */
export const iscsiSrInfo: DriverInfo = {
  name: 'LVHD over iSCSI',
  description: 'Disks as VHDs in logical volumes on a LUN of an iSCSI target',
  vendor: 'sm-ts',
  copyright: 'AGPL-3.0-or-later',
  driver_version: '1.0',
  required_api_version: '1.0',
  supported_image_formats: ['vhd', 'raw'],
  capabilities: LUN_CAPABILITIES,
  configuration: [
    { key: 'SCSIid', description: 'SCSI id of the LUN, required' },
    { key: 'target', description: 'address or name of the target, or several separated by commas, required' },
    { key: 'targetIQN', description: 'name of the target, or * for all of them, required' },
    { key: 'chapuser', description: 'user name for CHAP' },
    { key: 'chappassword', description: 'password for CHAP' },
    { key: 'incoming_chapuser', description: 'user name by which the target proves itself' },
    { key: 'incoming_chappassword', description: 'password by which the target proves itself' },
    { key: 'port', description: 'TCP port of the target, 3260 unless given' },
    { key: 'multihomed', description: 'true to log in to all portals of the target' },
    { key: 'usediscoverynumber', description: 'not used' },
    { key: 'allocation', description: 'thick or thin' },
  ],
}
