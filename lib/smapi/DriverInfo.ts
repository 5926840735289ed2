/**
 * What a plugin tells xapi about itself: the result of sr_get_driver_info (spec smapi 5.1). The members have the
 * names they have on the wire.
 */
export interface DriverInfo {
  readonly name: string
  readonly description: string
  readonly vendor: string
  readonly copyright: string
  readonly driver_version: string
  /** Dotted integers below 2.0, else xapi takes the plugin for another generation. */
  readonly required_api_version: string
  /** Feature strings, e.g. `VDI_REVERT` or `VDI_RESET_ON_BOOT/2` (spec smapi 5.3). */
  readonly capabilities: readonly string[]
  /** The device_config keys. */
  readonly configuration: readonly { readonly key: string; readonly description: string }[]
  /** Any other value would make xapi refuse the plugin. */
  readonly supported_image_formats?: readonly ('raw' | 'vhd' | 'qcow2')[]
}
