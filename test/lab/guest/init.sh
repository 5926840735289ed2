#!/bin/sh
# First process of a lab guest. Its root is the host's tree, read-only, under an overlay in memory: programs may write
# anywhere, and nothing but the exchange directory reaches the host.
#
# Words of the kernel command line that are read here (none may contain blanks):
#   lab.name=NAME     host name
#   lab.node=FILE     Node.js
#   lab.project=DIR   shown as /project, with an overlay of its own
#   lab.exchange=DIR  shown as /exchange, writable on the host
#   lab.address=CIDR  address of eth0
#   lab.run=FILE      script to run on the console instead of the agent
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM="${TERM:-linux}"

enter_overlay() {
  mount -t proc proc /proc
  read_settings
  kernel=$(uname -r)
  mount -t tmpfs -o mode=755 lab /mnt
  mkdir /mnt/upper /mnt/work /mnt/root /mnt/project-upper /mnt/project-work
  insmod "/usr/lib/uml/modules/$kernel/kernel/fs/overlayfs/overlay.ko"
  mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work lab /mnt/root || halt -f -p
  root=/mnt/root
  mount -t proc proc $root/proc
  mount -t sysfs sysfs $root/sys
  mount -t devtmpfs devtmpfs $root/dev
  # 512 old terminals, which each LVM command would look at.
  rm -f $root/dev/[pt]ty[a-z][0-9a-f]
  mkdir -p $root/dev/pts $root/dev/shm $root/project $root/exchange "$root/lib/modules/$kernel"
  mount -t devpts -o mode=620,ptmxmode=666 devpts $root/dev/pts
  mount -t tmpfs shm $root/dev/shm
  mount -t tmpfs -o mode=755 run $root/run
  mount -t tmpfs -o mode=1777 tmp $root/tmp
  mkdir -p $root/run/lock
  mount --bind "/usr/lib/uml/modules/$kernel" "$root/lib/modules/$kernel"
  mount -t hostfs -o "$LAB_exchange" exchange $root/exchange
  overlay=lowerdir="$LAB_project",upperdir=/mnt/project-upper,workdir=/mnt/project-work
  mount -t overlay -o "$overlay" project $root/project
  exec chroot $root /bin/sh /project/test/lab/guest/init.sh inside
}

read_settings() {
  for word in $(cat /proc/cmdline); do
    case $word in
      lab.*=*) setting=${word#lab.} && export "LAB_${setting%%=*}=${setting#*=}" ;;
    esac
  done
}

start_system() {
  hostname "$LAB_name"
  ip link set lo up
  if [ -n "${LAB_address:-}" ]; then
    ip addr add "$LAB_address" dev eth0
    ip link set eth0 up
  fi
  # On Debian halt is a link to systemctl, which a test may replace.
  cp -L /sbin/halt /run/halt
}

[ "${1:-}" = inside ] || enter_overlay
start_system
cd /project || exit
if [ -n "${LAB_run:-}" ]; then
  # A session of its own on the console, so that a shell there has job control.
  setsid --ctty --wait /bin/sh "/exchange/$LAB_run" </dev/console >/dev/console 2>&1
  echo $? >/exchange/status
else
  "$LAB_node" /project/dist/lab-agent.cjs
fi
sync
exec /run/halt -f -p
