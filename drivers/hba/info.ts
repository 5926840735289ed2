import type { DriverInfo } from '../../lib/smapi/DriverInfo.ts'
import { LUN_CAPABILITIES } from '../lun/capabilities.ts'

/** What sr_get_driver_info answers for LVHDoHBASR (spec iscsi-hba 1). */
export const lvhdOverHbaInfo: DriverInfo = {
  name: 'LVHD over FC',
  description: 'Disks as VHDs in logical volumes of a LUN behind a host bus adapter (FC, SAS, iSCSI offload)',
  vendor: 'sm-ts',
  copyright: 'AGPL-3.0-or-later',
  driver_version: '1.0',
  required_api_version: '1.0',
  supported_image_formats: ['vhd', 'raw'],
  capabilities: LUN_CAPABILITIES,
  configuration: [
    { key: 'SCSIid', description: 'SCSI id of the LUN, required' },
    { key: 'allocation', description: 'room of a disk: thick (all it may need, the default) or thin' },
  ],
}
