// What tests need of Debian 12: package, and a file that is there once it is installed.
import { existsSync, readFileSync } from 'node:fs'

/** The test lab (docs/lab.md). */
export const labPackages = new Map([
  ['user-mode-linux', '/usr/bin/linux.uml'],
  ['uml-utilities', '/usr/bin/uml_switch'],
  ['kmod', '/usr/bin/kmod'],
  ['util-linux', '/usr/bin/setpriv'],
  ['iproute2', '/usr/bin/ip'],
  ['procps', '/usr/bin/pgrep'],
  ['udev', '/usr/bin/udevadm'],
  ['lvm2', '/usr/sbin/lvm'],
  ['e2fsprogs', '/usr/sbin/mkfs.ext4'],
  ['nfs-kernel-server', '/usr/sbin/rpc.nfsd'],
  ['nfs-common', '/usr/sbin/mount.nfs'],
  ['rpcbind', '/usr/sbin/rpcbind'],
  ['nbd-client', '/usr/sbin/nbd-client'],
  ['open-iscsi', '/usr/sbin/iscsid'],
  ['multipath-tools', '/usr/sbin/multipathd'],
  ['sg3-utils', '/usr/bin/sg_inq'],
])

/** Tests of the page for browsers. */
export const browserPackages = new Map([
  ['chromium', '/usr/bin/chromium'],
  ['fonts-dejavu-core', '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'],
])

/** Programs of others that speak NBD. */
export const clientPackages = new Map([
  ['libnbd-bin', '/usr/bin/nbdcopy'],
  ['qemu-utils', '/usr/bin/qemu-io'],
  ['fio', '/usr/bin/fio'],
])

/** Packages that are not installed, by the file that tells. */
export function missingPackages(packages = labPackages) {
  return [...packages].filter(([, file]) => !existsSync(file)).map(([name]) => name)
}

/** Whether this is the system that the lab is made for. */
export function isDebian12() {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync('/etc/os-release')) return false
  const release = readFileSync('/etc/os-release', 'utf8')
  return /^ID=debian$/m.test(release) && /^VERSION_ID="12"$/m.test(release)
}
