#!/bin/sh
# Data disks: formatted once, when empty, and mounted by UUID. A disk that holds anything is never formatted.
# data-disk right|make DEVICE MOUNT LABEL
set -eu
device=$2 mount=$3 label=$4
uuid() { blkid -s UUID -o value "$(readlink -f "$device")" 2>/dev/null || true; }
case $1 in
right)
    id=$(uuid)
    [ -n "$id" ] && grep -q "^UUID=$id $mount " /etc/fstab && mountpoint -q "$mount"
    ;;
make)
    [ -b "$(readlink -f "$device")" ] || { echo "$device is no disk of this machine; lsblk shows those there are"; exit 1; }
    found=$(wipefs --noheadings --output TYPE,LABEL "$(readlink -f "$device")")
    if [ -z "$found" ]; then
        mkfs.ext4 -q -m 0 -L "$label" "$(readlink -f "$device")"
    elif [ "$(blkid -s TYPE -o value "$(readlink -f "$device")")" != ext4 ] ||
        [ "$(blkid -s LABEL -o value "$(readlink -f "$device")")" != "$label" ]; then
        echo "$device holds data that refarch did not put there ($(echo $found)): it is left alone." \
            "Empty it yourself (wipefs -a $device), or give it the label $label to have it mounted as it is"
        exit 1
    fi
    mkdir -p "$mount"
    if ! mountpoint -q "$mount" && [ -n "$(ls -A "$mount")" ]; then
        echo "$mount is not empty: mounting a disk there would hide what is in it"
        exit 1
    fi
    sed -i "\\|^[^#][^ ]* $mount |d" /etc/fstab
    echo "UUID=$(uuid) $mount ext4 defaults,nofail 0 2" >>/etc/fstab
    mountpoint -q "$mount" || mount "$mount"
    ;;
esac
