import type { DriverInfo } from '../../lib/smapi/DriverInfo.ts'

const COMMON_CAPABILITIES = [
  'SR_PROBE',
  'SR_UPDATE',
  'VDI_CREATE',
  'VDI_DELETE',
  'VDI_ATTACH',
  'VDI_DETACH',
  'VDI_CLONE',
  'VDI_SNAPSHOT',
  'VDI_RESIZE',
  'VDI_MIRROR',
  'VDI_GENERATE_CONFIG',
  'ATOMIC_PAUSE',
  'VDI_CONFIG_CBT',
  'VDI_ACTIVATE',
  'VDI_DEACTIVATE',
  'THIN_PROVISIONING',
  'VDI_REVERT',
]

/** What sr_get_driver_info answers for FileSR (spec smapi 5, file-sr 1.1). */
export const fileSrInfo: DriverInfo = {
  name: 'Local Path VHD',
  description: 'Disks as VHD files in a local directory',
  vendor: 'sm-ts',
  copyright: 'AGPL-3.0-or-later',
  driver_version: '1.0',
  required_api_version: '1.0',
  capabilities: COMMON_CAPABILITIES,
  configuration: [{ key: 'location', description: 'local directory path, required' }],
  supported_image_formats: ['vhd', 'raw'],
}
