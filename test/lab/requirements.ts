import { isDebian12, missingPackages } from '../../scripts/lab-packages.mjs'

/** Why no guest can be booted here, in a line; undefined where one can. */
export function missingForLab(): string | undefined {
  if (!isDebian12()) return 'the lab boots on Debian 12 for x86-64 alone'
  const packages = missingPackages()
  if (packages.length === 0) return undefined
  return `the lab needs packages that are not installed (npm test as root installs them): ${packages.join(' ')}`
}
