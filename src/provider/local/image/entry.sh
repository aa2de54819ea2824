#!/bin/sh
# First process of a node: prepares what systemd needs and a container engine does not give, then becomes systemd.
set -eu

# A writable cgroup tree of its own, whatever layout the host has.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mount -o remount,rw /sys/fs/cgroup
else
    umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi

# The engine binds these files over the node's own, so that nobody can replace them by renaming. They become plain
# files; what the node holds already (it was started before) stays.
for file in /etc/hosts /etc/hostname /etc/resolv.conf; do
    content=$(cat "$file")
    umount "$file" 2>/dev/null || continue
    [ -s "$file" ] || printf '%s\n' "$content" >"$file"
done

export container=docker
exec /sbin/init
