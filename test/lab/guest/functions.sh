# Shell functions for scripts in a lab guest. Sizes are as truncate(1) takes them.

# modules NAME...: loads kernel modules
modules() {
  for module; do modprobe "$module" || return 1; done
}

# within SECONDS COMMAND...: repeats the command until it succeeds
within() {
  tries=$(($1 * 20))
  shift
  until "$@" 2>/dev/null; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "not within the time: $*" >&2; return 1; }
    sleep 0.05
  done
}

# --- disks and LVM --------------------------------------------------------------------------------------------------

# loop_disk SIZE: prints the loop device of a new sparse file
loop_disk() {
  modules loop
  image=$(mktemp /tmp/disk-XXXXXX)
  truncate -s "$1" "$image"
  losetup --find --show "$image"
}

# drop_loop DEVICE: ends a loop device and removes its file
drop_loop() {
  image=$(losetup --noheadings --output BACK-FILE "$1")
  losetup --detach "$1"
  rm -f "$image"
}

# lvm_setup [DEVICE-REGEX...]: LVM for a system without udev, on loop, nbd and SCSI disks or on what the arguments match
lvm_setup() {
  modules dm-mod
  [ $# -gt 0 ] || set -- '^/dev/loop' '^/dev/nbd' '^/dev/sd'
  filter=''
  for pattern; do filter="$filter\"a|$pattern|\","; done
  rm -f /etc/lvm/lvm.conf
  # LVM takes memory beforehand for while it has suspended a volume, which may be what it runs from: here it never is, and
  # taking it is half the time of a command.
  cat >/etc/lvm/lvm.conf <<CONF
activation {
  udev_sync = 0
  udev_rules = 0
  reserved_memory = 0
  reserved_stack = 0
}
backup {
  backup = 0
  archive = 0
}
global {
  event_activation = 0
}
devices {
  use_devicesfile = 0
  obtain_device_list_from_udev = 0
  external_device_info_source = "none"
  filter = [ $filter "r|.*|" ]
}
CONF
}

# mapped_disk NAME: /dev/mapper/NAME, with the device-mapper table of standard input
mapped_disk() {
  modules dm-mod
  dmsetup create "$1" --noudevsync --noudevrules
  dmsetup mknodes "$1"
}

# drop_mapped NAME: ends it, where it is
drop_mapped() {
  if dmsetup info "$1" >/dev/null 2>&1; then dmsetup remove --noudevsync --noudevrules "$1"; fi
  rm -f "/dev/mapper/$1"
}

# --- udev and systemd -----------------------------------------------------------------------------------------------

# udev_start: udevd with the links of SCSI disks that storage managers look for
udev_start() {
  mkdir -p /etc/udev/rules.d
  cat >/etc/udev/rules.d/55-lab-scsi.rules <<'RULES'
KERNEL=="sd*", SUBSYSTEMS=="scsi", PROGRAM="/bin/sh /project/test/lab/guest/scsi-links.sh %b %k $tempnode", SYMLINK+="%c"
SUBSYSTEM=="block", ACTION=="add|change", ENV{DM_UUID}=="mpath-*", SYMLINK+="disk/by-scsid/$env{DM_NAME}/mapper"
RULES
  /lib/systemd/systemd-udevd --daemon 2>/dev/null
}

# udev_scsi_only: the same without everybody else's rules, which take seconds for each disk. LVM makes the names of volumes;
# dmsetup still waits for udev's word that it has seen a device go.
udev_scsi_only() {
  mkdir -p /etc/udev/rules.d
  for rules in /lib/udev/rules.d/*.rules; do
    [ "${rules##*/}" = 95-dm-notify.rules ] || : >"/etc/udev/rules.d/${rules##*/}"
  done
  udev_start
}

# systemctl_stub: answers for programs that ask systemd about daemons; there is no systemd here
systemctl_stub() {
  rm -f /usr/bin/systemctl
  cat >/usr/bin/systemctl <<'STUB'
#!/bin/sh
daemon=${2%.service}
case $1 in
  is-active) if pidof "$daemon" >/dev/null; then echo active; else echo inactive; exit 3; fi ;;
  start) case $daemon in iscsid | multipathd) exec "$daemon" ;; esac ;;
  stop) pkill -x "$daemon" || true ;;
esac
STUB
  chmod 755 /usr/bin/systemctl
}

# --- NFS ------------------------------------------------------------------------------------------------------------

# nfs_server SIZE: exports /export, an ext4 file system of its own, by v3 and v4
nfs_server() {
  modules loop nfsd
  truncate -s "$1" /tmp/nfs.img
  mkfs.ext4 -q /tmp/nfs.img
  mkdir -p /srv/nfs /var/lib/nfs/rpc_pipefs /var/lib/nfs/v4recovery
  mount -o loop /tmp/nfs.img /srv/nfs
  mkdir -p /srv/nfs/export
  mount -t nfsd nfsd /proc/fs/nfsd
  mount -t rpc_pipefs sunrpc /var/lib/nfs/rpc_pipefs 2>/dev/null || true
  # An overlay cannot be the root of what NFSv4 exports.
  printf '[exports]\nrootdir=/srv/nfs\n' >/etc/nfs.conf
  echo '/export *(rw,no_root_squash,no_subtree_check,insecure,sync)' >/etc/exports
  nfs_client
  exportfs -ra
  nfs_start
  rpc.mountd
}

# nfs_client: what a guest needs to mount exports of another one; nfs_server has it too
nfs_client() {
  modules nfsv3 nfsv4
  rpcbind -w
  rpc.statd --no-notify
}

# nfs_start, nfs_stop: an outage of the server; what it exports stays
nfs_start() {
  # Short grace and lease times: nobody has state worth waiting for.
  rpc.nfsd -G 10 -L 10 2
}

nfs_stop() {
  rpc.nfsd 0
}

# --- SCSI target (LIO through configfs) -----------------------------------------------------------------------------

LIO=/sys/kernel/config/target

target_start() {
  mkdir -p /etc/target/pr /etc/target/alua
  modules configfs target_core_mod target_core_file
  mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
}

# target_disk NUMBER SIZE SERIAL: a disk of the target. Its SCSI id is 36001405 and the first 25 hex digits of SERIAL
target_disk() {
  store=$LIO/core/fileio_$1/disk$1
  mkdir -p "$store"
  truncate -s "$2" "/tmp/target-$1.img"
  bytes=$(stat -c %s "/tmp/target-$1.img")
  printf %s "fd_dev_name=/tmp/target-$1.img,fd_dev_size=$bytes" >"$store/control"
  printf %s "$3" >"$store/wwn/vpd_unit_serial"
  echo 1 >"$store/enable"
}

# target_luns DIRECTORY NUMBER...: the disks become LUN 0, 1, ... of the portal group
target_luns() {
  group=$1
  shift
  lun=0
  for number; do
    mkdir -p "$group/lun/lun_$lun"
    ln -s "$LIO/core/fileio_$number/disk$number" "$group/lun/lun_$lun/disk"
    lun=$((lun + 1))
  done
}

# iscsi_target IQN 'PORTAL...' 'NUMBER...' [USER PASSWORD]
iscsi_target() {
  modules iscsi_target_mod
  group=$LIO/iscsi/$1/tpgt_1
  mkdir -p "$group"
  for portal in $2; do mkdir -p "$group/np/$portal"; done
  # shellcheck disable=SC2086
  target_luns "$group" $3
  echo 0 >"$group/attrib/demo_mode_write_protect"
  echo 1 >"$group/attrib/generate_node_acls"
  echo 1 >"$group/attrib/cache_dynamic_acls"
  if [ -n "${4:-}" ]; then
    echo 1 >"$group/attrib/authentication"
    # printf: a newline would become part of the name.
    printf %s "$4" >"$group/auth/userid"
    printf %s "$5" >"$group/auth/password"
  else
    echo 0 >"$group/attrib/authentication"
  fi
  echo 1 >"$group/enable"
}

# iscsi_mutual IQN USER PASSWORD: the target proves itself too
iscsi_mutual() {
  printf %s "$2" >"$LIO/iscsi/$1/tpgt_1/auth/userid_mutual"
  printf %s "$3" >"$LIO/iscsi/$1/tpgt_1/auth/password_mutual"
}

# iscsi_discovery_auth USER PASSWORD: discovery is for who knows these; without them it is for everybody
iscsi_discovery_auth() {
  auth=$LIO/iscsi/discovery_auth
  printf %s "${1:-}" >"$auth/userid"
  printf %s "${2:-}" >"$auth/password"
  if [ -n "${1:-}" ]; then echo 1; else echo 0; fi >"$auth/enforce_discovery_auth"
}

# iscsi_host: what an initiator needs whose daemon somebody else starts
iscsi_host() {
  modules iscsi_tcp sd_mod sg
  # Replaced and not rewritten: an ordinary user of the host may not read them.
  rm -f /etc/iscsi/initiatorname.iscsi /etc/iscsi/iscsid.conf
  printf 'iscsid.startup = /sbin/iscsid\nnode.startup = manual\n' >/etc/iscsi/iscsid.conf
}

# scsi_host WWN NUMBER...: one more SCSI host of this guest, like an HBA, with these disks of the target
scsi_host() {
  modules tcm_loop sd_mod sg
  group=$LIO/loopback/naa.$1/tpgt_1
  mkdir -p "$group"
  printf %s "naa.6${1#?}" >"$group/nexus"
  shift
  target_luns "$group" "$@"
}

# iscsi_initiator IQN: starts iscsid under this name
iscsi_initiator() {
  iscsi_host
  echo "InitiatorName=$1" >/etc/iscsi/initiatorname.iscsi
  iscsid
}

# multipath_config: what multipathd needs that somebody else starts; maps are named by SCSI id
multipath_config() {
  modules dm-multipath dm-round-robin dm-service-time
  # One statement a line: anything else is rejected.
  cat >/etc/multipath.conf <<'CONF'
defaults {
  user_friendly_names no
  find_multipaths off
  no_path_retry queue
  polling_interval 1
}
CONF
}

# multipath_start: multipathd
multipath_start() {
  multipath_config
  multipathd
}

# --- recorded disks -------------------------------------------------------------------------------------------------

# recorded_disk NUMBER IMAGE LOG: /dev/nbdNUMBER on IMAGE; every write and flush is appended to LOG
recorded_disk() {
  modules nbd
  rm -f "/tmp/recorder-$1"
  "$LAB_node" /project/dist/lab-recorder.cjs serve "/tmp/recorder-$1" "$2" "$3" >/tmp/recorder-"$1".log 2>&1 &
  within 20 test -S "/tmp/recorder-$1"
  nbd-client -unix "/tmp/recorder-$1" "/dev/nbd$1" -block-size 512 >/dev/null 2>&1
}

# drop_recorded NUMBER: ends it; the recorder stops with its client
drop_recorded() {
  nbd-client -d "/dev/nbd$1" >/dev/null
}
