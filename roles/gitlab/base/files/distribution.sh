#!/bin/sh
# What RHEL and Amazon Linux do otherwise than Debian and Ubuntu, so that no role has to know. On those there is nothing to do.
# distribution right|make ssh | firewall | port TYPE NUMBER | boolean NAME
set -eu
case $(. /etc/os-release && echo " $ID ${ID_LIKE-} ") in
*" rhel "* | *" fedora "* | *" centos "* | *" amzn "*) ;;
*) exit 0 ;;
esac
verb=$1
shift
config=/etc/ssh/sshd_config
ours=/etc/ssh/sshd_config.d/10-refarch.conf
# sshd goes by Debian's name too.
alias=/etc/systemd/system/ssh.service

# sshd of RHEL 8 knows no folder of configurations: what counts is what stands first.
reads_ours() {
    grep -Eqi '^[[:space:]]*include[[:space:]]+/etc/ssh/sshd_config\.d/' "$config" ||
        [ "$(head -n "$(wc -l <"$ours")" "$config")" = "$(cat "$ours")" ]
}
selinux() { command -v getenforce >/dev/null && [ "$(getenforce)" != Disabled ]; }

case $verb-$1 in
right-ssh) [ -L "$alias" ] && reads_ours ;;
make-ssh)
    systemctl enable -q sshd
    ln -sfn /usr/lib/systemd/system/sshd.service "$alias"
    systemctl daemon-reload
    if ! reads_ours; then
        cat "$ours" "$config" >"$config.refarch"
        chmod 0600 "$config.refarch"
        mv "$config.refarch" "$config"
    fi
    ;;
# Its rules would hold beside ours, and it lets almost nothing in.
right-firewall) ! systemctl is-enabled -q firewalld 2>/dev/null && ! systemctl is-active -q firewalld ;;
make-firewall) systemctl disable -q --now firewalld ;;
right-port) ! selinux || semanage port -l | awk -v t="$2" -v p="$3" '$1 == t && $2 == "tcp" { gsub(",", ""); for (i = 3; i <= NF; i++) if ($i == p) found = 1 } END { exit !found }' ;;
make-port) semanage port -a -t "$2" -p tcp "$3" 2>/dev/null || semanage port -m -t "$2" -p tcp "$3" ;;
right-boolean) ! selinux || getsebool "$2" | grep -q 'on$' ;;
make-boolean) setsebool -P "$2" on ;;
*) echo "distribution: $verb $1?" >&2; exit 2 ;;
esac
