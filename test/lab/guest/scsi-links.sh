#!/bin/sh
# Names of a SCSI disk for udev, on one line: scsi-links.sh HOST:BUS:TARGET:LUN KERNEL-NAME NODE
path=$1
disk=$2
node=$3
id=$(/usr/lib/udev/scsi_id --whitelisted --device="$node") || exit 0
[ -n "$id" ] || exit 0
links="disk/by-id/scsi-$id disk/by-scsid/$id/$disk disk/by-scsibus/$id-$path"
host=${path%%:*}
lun=${path##*:}
for session in "/sys/class/scsi_host/host$host/device"/session*; do
  [ -d "$session" ] || continue
  iqn=$(cat "$session"/iscsi_session/*/targetname)
  for connection in "$session"/connection*/iscsi_connection/*; do
    [ -d "$connection" ] || continue
    portal=$(cat "$connection/persistent_address"):$(cat "$connection/persistent_port")
    links="$links iscsi/$iqn/$portal/LUN$lun"
  done
done
echo "$links"
