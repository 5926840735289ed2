import type { DriverInfo } from '../../lib/smapi/DriverInfo.ts'

const COMMON_CAPABILITIES = [
  'SR_PROBE',
  'SR_UPDATE',
  'SR_TRIM',
  'VDI_CREATE',
  'VDI_DELETE',
  'VDI_ATTACH',
  'VDI_DETACH',
  'VDI_MIRROR',
  'VDI_CLONE',
  'VDI_SNAPSHOT',
  'VDI_RESIZE',
  'ATOMIC_PAUSE',
  'VDI_RESET_ON_BOOT/2',
  'VDI_UPDATE',
  'VDI_CONFIG_CBT',
  'VDI_ACTIVATE',
  'VDI_DEACTIVATE',
  'VDI_REVERT',
]

/** What sr_get_driver_info answers for LVHDSR (spec smapi 5, lvhd 2). */
export const lvhdSrInfo: DriverInfo = {
  name: 'Local VHD on LVM',
  description: 'Disks as VHDs in logical volumes of this host',
  vendor: 'sm-ts',
  copyright: 'AGPL-3.0-or-later',
  driver_version: '1.0',
  required_api_version: '1.0',
  supported_image_formats: ['vhd', 'raw'],
  capabilities: COMMON_CAPABILITIES,
  configuration: [{ key: 'device', description: 'block device(s), comma-separated, required' }],
}
