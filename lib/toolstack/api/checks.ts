import { XapiError, type StringMap } from '../../xapi/XapiClient.ts'

/** Throws XapiError INVALID_VALUE where a client wants to say who the master is. */
export function refuseMaster(deviceConfig: StringMap): void {
  const given = deviceConfig['SRmaster']
  if (given !== undefined) throw new XapiError('INVALID_VALUE', ['device_config:SRmaster', given])
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}
