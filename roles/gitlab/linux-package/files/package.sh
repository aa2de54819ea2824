#!/bin/sh
# Installs the product's package as /etc/refarch/package.conf says, and holds it against upgrades by accident.
# package installed|install
set -eu
. "${REFARCH_PACKAGE_CONF:-/etc/refarch/package.conf}"
name=gitlab-$EDITION
vendor=https://packages.gitlab.com

stop() { echo "$*" >&2; exit 1; }
version_of() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$name" 2>/dev/null | sed -n 's/^installed //p'; }

# Whether an installed version is the one that is wanted: the same, or of the wanted line.
fits() { # installed
    case $VERSION in newest) return 0 ;; esac
    case $1 in "$VERSION" | "$VERSION"-* | "$VERSION".* | "$VERSION"+*) return 0 ;; esac
    return 1
}
held() { apt-mark showhold "$name" | grep -qx "$name"; }

if [ "$1" = installed ]; then
    have=$(version_of)
    [ -n "$have" ] && fits "$have" || exit 1
    [ "$SOURCE" = none ] || held
    exit
fi

have=$(version_of)
if [ "$SOURCE" = none ]; then
    [ -n "$have" ] || stop "$name is not installed, and settings.linux-package.source is none: install it, or name a source"
    fits "$have" || stop "$name $have is installed, not $VERSION, and settings.linux-package.source is none"
    exit 0
fi
if [ -n "$have" ] && fits "$have"; then
    apt-mark hold "$name" >/dev/null
    exit 0
fi
if [ -n "$have" ] && [ "$ALLOW_UPGRADE" != 1 ]; then
    stop "$name $have is installed and $VERSION is wanted: an upgrade has an order of its own." \
        "Set settings.linux-package.allow_upgrade to true to have the package replaced node by node"
fi

# In shells of their own: that file has a VERSION too.
system=$(. /etc/os-release && echo "$ID")
release=$(. /etc/os-release && echo "${VERSION_ID:-unknown}")
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
case $system-$release in
debian-11 | debian-12 | debian-13 | ubuntu-20.04 | ubuntu-22.04 | ubuntu-24.04) ;;
*) stop "$system $release is not supported yet: Debian 11 to 13 and Ubuntu 20.04 to 24.04 are" ;;
esac

fetch() { # url file
    if [ -n "$HEADER" ]; then
        # The header may be a token: it goes through standard input, never through the argument list.
        printf '%s\n' "$HEADER" | curl -fsSL --retry 3 -H @- -o "$2" "$1"
    else
        curl -fsSL --retry 3 -o "$2" "$1"
    fi
}

use_repository() { # base address of the repository, key address
    work=$(mktemp -d)
    fetch "$2" "$work/key.asc" || stop "cannot fetch the signing key from $2"
    found=$(gpg --homedir "$work" --show-keys --with-colons "$work/key.asc" 2>/dev/null | awk -F: '$1 == "fpr" { print $10; exit }')
    [ "$found" = "$FINGERPRINT" ] ||
        stop "the signing key at $2 is $found, not $FINGERPRINT: somebody may be in between, or the vendor has a new key" \
            "(settings.linux-package.signing_key)"
    gpg --homedir "$work" --dearmor <"$work/key.asc" >"$work/key.gpg" 2>/dev/null
    install -m 0644 "$work/key.gpg" /usr/share/keyrings/refarch-gitlab.gpg
    rm -rf "$work"
    echo "deb [signed-by=/usr/share/keyrings/refarch-gitlab.gpg] $1 $codename main" >/etc/apt/sources.list.d/refarch-gitlab.list
    apt-get update -q -o Dir::Etc::sourcelist=sources.list.d/refarch-gitlab.list -o Dir::Etc::sourceparts=- \
        -o APT::Get::List-Cleanup=0 >/dev/null || stop "the repository $1 does not answer"
}

from_repository() {
    if [ "$VERSION" = newest ]; then
        wanted=$name
    else
        exact=$(apt-cache madison "$name" | awk -v v="$VERSION" '
            $3 == v || index($3, v "-") == 1 || index($3, v ".") == 1 || index($3, v "+") == 1 { print $3; exit }')
        if [ -z "$exact" ]; then
            near=$(apt-cache madison "$name" | awk '{ print $3 }' | head -n 3 | tr '\n' ' ')
            stop "there is no $name $VERSION in the repository; the newest there are: ${near:-none}"
        fi
        wanted=$name=$exact
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --allow-change-held-packages "$wanted" >/dev/null
}

case $SOURCE in
repository) use_repository "$vendor/gitlab/$name/$system/" "$vendor/gitlab/$name/gpgkey" && from_repository ;;
nightly) use_repository "$vendor/gitlab/nightly-builds/$system/" "$vendor/gitlab/nightly-builds/gpgkey" && from_repository ;;
mirror) use_repository "$LOCATION" "${LOCATION%/}/gpgkey" && from_repository ;;
url | path)
    file=$LOCATION
    if [ "$SOURCE" = url ]; then
        file=/var/cache/apt/archives/refarch-$name.deb
        fetch "$LOCATION" "$file" || stop "cannot fetch $LOCATION"
    fi
    [ -r "$file" ] || stop "there is no $file on this node"
    case $(dpkg-deb -f "$file" Package 2>/dev/null) in
    "$name") ;;
    *) stop "$LOCATION is no package of $name for this system" ;;
    esac
    fits "$(dpkg-deb -f "$file" Version)" || stop "$LOCATION is version $(dpkg-deb -f "$file" Version), not $VERSION"
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --allow-change-held-packages "$file" >/dev/null
    [ "$SOURCE" = path ] || rm -f "$file"
    ;;
esac
apt-mark hold "$name" >/dev/null
