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

/** What drivers on a file system of their own have beyond FileSR. */
const OWN_FILE_SYSTEM_CAPABILITIES = [...COMMON_CAPABILITIES, 'VDI_UPDATE', 'VDI_RESET_ON_BOOT/2', 'VDI_READ_CACHING']

const common = {
  vendor: 'sm-ts',
  copyright: 'AGPL-3.0-or-later',
  driver_version: '1.0',
  required_api_version: '1.0',
  supported_image_formats: ['vhd', 'raw'],
} as const

/** What sr_get_driver_info answers for FileSR (spec smapi 5, file-sr 1.1). */
export const fileSrInfo: DriverInfo = {
  ...common,
  name: 'Local Path VHD',
  description: 'Disks as VHD files in a local directory',
  capabilities: COMMON_CAPABILITIES,
  configuration: [{ key: 'location', description: 'local directory path, required' }],
}

/** … for EXTSR. */
export const extSrInfo: DriverInfo = {
  ...common,
  name: 'Local EXT3 VHD',
  description: 'Disks as VHD files on an ext4 file system in a logical volume of this host',
  capabilities: [...OWN_FILE_SYSTEM_CAPABILITIES, 'SR_SUPPORTS_LOCAL_CACHING'],
  configuration: [{ key: 'device', description: 'block device(s), comma-separated, required' }],
}

/** … for NFSSR. */
export const nfsSrInfo: DriverInfo = {
  ...common,
  name: 'NFS VHD',
  description: 'Disks as VHD files on an NFS export',
  capabilities: [...OWN_FILE_SYSTEM_CAPABILITIES, 'SR_CACHING'],
  configuration: [
    { key: 'server', description: 'name or address of the NFS server, required' },
    { key: 'serverpath', description: 'exported path, required' },
    { key: 'nfsversion', description: '3, 4, 4.0 or 4.1' },
  ],
}
