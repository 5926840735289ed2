import { type Multipath, type MultipathDeps, SinglePath } from './Multipath.ts'

/** Multipathing as this host is set to do it; what only it needs is loaded only where it is on. */
export async function chooseMultipath(deps: MultipathDeps, isOn: boolean): Promise<Multipath> {
  if (!isOn) return new SinglePath(deps)
  const { DeviceMapperMultipath } = await import('./DeviceMapper.ts')
  return new DeviceMapperMultipath(deps)
}
