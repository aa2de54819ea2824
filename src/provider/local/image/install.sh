#!/bin/sh
# Turns a bare Debian into refarch's node image. Runs as root inside the build container, offline from any role:
#   /refarch-build/base        packages that make it a machine, one a line
#   /refarch-build/packages    packages baked in with their services off, one a line
#   /refarch-build/masks       units that make no sense in a container, one a line
#   /refarch-build/sources     apt sources of the suite
#   /refarch-build/fallback    apt sources for packages that the suite does not have
#   /refarch-build/apt/        the host's proxy settings, where it has any
#   /refarch-build/ca/         the host's extra certificate authorities, where it has any
#   /refarch-build/ca-bundle   every certificate authority the host trusts, where the sources are reached by HTTPS
# Lines that start with "refarch: DONE TOTAL " on standard output say how far it is.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
build=/refarch-build
say() { echo "refarch: $*"; }

mkdir -p /etc/dpkg/dpkg.cfg.d /etc/apt/apt.conf.d /etc/apt/preferences.d /etc/postgresql-common/createcluster.d
cat >/etc/dpkg/dpkg.cfg.d/refarch <<'END'
force-unsafe-io
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/locale/*
END
cat >/etc/apt/apt.conf.d/90refarch <<'END'
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dpkg::Use-Pty "false";
END
# A cluster made at installation would have the wrong owner, place and settings.
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/refarch.conf
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

for file in "$build"/apt/*; do
    [ -f "$file" ] && cp "$file" /etc/apt/apt.conf.d/
done
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
cp "$build/sources" /etc/apt/sources.list
if [ -e "$build/ca-bundle" ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
    mkdir -p /etc/ssl/certs
    cp "$build/ca-bundle" /etc/ssl/certs/ca-certificates.crt
fi

say 0 0 reading package lists
apt-get -q update

base=$(cat "$build/base")
wanted=$(cat "$build/packages")
missing=
for package in $wanted; do
    case $(apt-cache policy "$package" | sed -n 's/^  Candidate: //p') in
    '' | '(none)') missing="$missing $package" ;;
    esac
done
if [ -n "$missing" ] && [ -s "$build/fallback" ]; then
    cp "$build/fallback" /etc/apt/sources.list.d/refarch-fallback.list
    # Nothing comes from the older suites but what was asked for and is nowhere else.
    for suite in $(awk '{ print $3 }' "$build/fallback" | sort -u); do
        printf 'Package: *\nPin: release n=%s\nPin-Priority: -1\n\n' "$suite"
        printf 'Package:%s\nPin: release n=%s\nPin-Priority: 500\n\n' "$missing" "$suite"
    done >/etc/apt/preferences.d/refarch-fallback
    apt-get -q update
fi
nowhere=
for package in $missing; do
    case $(apt-cache policy "$package" | sed -n 's/^  Candidate: //p') in
    '' | '(none)') nowhere="$nowhere $package" ;;
    esac
done
if [ -n "$nowhere" ]; then
    echo "refarch: no such package:$nowhere" >&2
    exit 3
fi

# Words are packages: splitting is meant.
# shellcheck disable=SC2086
total=$(apt-get -s install $base $wanted | grep -c '^Inst ' || true)
# shellcheck disable=SC2086
{
    apt-get -q -y install $base || exit 1
    mkdir -p /usr/local/share/ca-certificates
    cp "$build"/ca/*.crt /usr/local/share/ca-certificates/ 2>/dev/null && update-ca-certificates >/dev/null
    find /etc/systemd/system -type l | sort >/tmp/links.before
    ls -d /etc/rc?.d/S* 2>/dev/null | sort >/tmp/rc.before
    [ -z "$wanted" ] || apt-get -q -y install $wanted || exit 1
    : >"$build/installed"
} 2>&1 | awk -v total="$total" '
    /^Unpacking / { unpacked++ }
    /^Setting up / { done++; print "refarch:", done, total, "installed", $3; fflush() }
    /^(E:|dpkg: error|Err:)/ { print; fflush() }
    { line[NR % 40] = $0 }
    END { if (system("test -e /refarch-build/installed") != 0) for (i = NR + 1; i <= NR + 40; i++) if (line[i % 40] != "") print line[i % 40] }'
[ -e "$build/installed" ]

say "$total" "$total" switching services off
# What the baked packages switched on is switched off again: a role enables what its node needs.
find /etc/systemd/system -type l | sort >/tmp/links.after
comm -13 /tmp/links.before /tmp/links.after | while read -r link; do
    case $link in
    *.wants/* | *.requires/*) rm -f "$link" ;;
    esac
done
ls -d /etc/rc?.d/S* 2>/dev/null | sort >/tmp/rc.after
comm -13 /tmp/rc.before /tmp/rc.after | sed 's#.*/S..##' | sort -u | while read -r script; do
    update-rc.d "$script" disable >/dev/null 2>&1 || update-rc.d -f "$script" remove >/dev/null 2>&1
done
while read -r unit; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done <"$build/masks"
systemctl set-default multi-user.target >/dev/null 2>&1

mkdir -p /etc/ssh/sshd_config.d /root/.ssh /etc/systemd/journald.conf.d
chmod 700 /root/.ssh
rm -f /etc/ssh/ssh_host_*
cat >/etc/ssh/sshd_config.d/refarch.conf <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxStartups 100
END
printf '[Journal]\nStorage=persistent\nSystemMaxUse=32M\nSystemMaxFileSize=4M\nForwardToSyslog=no\n' \
    >/etc/systemd/journald.conf.d/refarch.conf

install -m 755 "$build/entry.sh" /sbin/refarch-init
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /usr/sbin/policy-rc.d /tmp/links.* /tmp/rc.*
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/log/apt /var/log/*.log
rm -rf "$build"
say "$total" "$total" done
