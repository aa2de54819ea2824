#!/bin/sh
# Installs the product's package as /etc/refarch/package.conf says, and holds it against upgrades by accident.
# package installed|version|install|upgrade; only `upgrade` exchanges a version that is there.
set -eu
. "${REFARCH_PACKAGE_CONF:-/etc/refarch/package.conf}"
name=gitlab-$EDITION
vendor=https://packages.gitlab.com
# Where these lie is another place in tests only.
etc=${REFARCH_ETC:-/etc}
# The vendor's file name for the key that signs the packages themselves, which only RPM asks for.
package_key=gpgkey/gitlab-gitlab-ee-CB947AD886C8E8FD.pub.gpg

stop() { echo "$*" >&2; exit 1; }

# In shells of their own: that file has a VERSION too.
os() { (. "$etc/os-release" && eval "echo \"\${$1:-unknown}\""); }
system=$(os ID)
release=$(os VERSION_ID)
case $system in
debian | ubuntu) kind=deb ;;
rhel | centos | rocky | almalinux | ol) kind=rpm folder=el/${release%%.*} ;;
amzn) kind=rpm folder=amazon/$release ;;
*) kind=deb ;;
esac

# Of each kind: the installed version, holding, what a file is, what the repository has, installing.
version_of() {
    case $kind in
    deb) dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$name" 2>/dev/null | sed -n 's/^installed //p' ;;
    # What it says about a package that is not there goes to standard output.
    rpm) rpm -q --qf '%{VERSION}-%{RELEASE}\n' "$name" 2>/dev/null | grep '^[0-9]' || true ;;
    esac
}
held() {
    case $kind in
    deb) apt-mark showhold "$name" | grep -qx "$name" ;;
    rpm) grep -Eqs "^excludepkgs *=(.*[ ,])?$name([ ,]|$)" "$etc/dnf/dnf.conf" ;;
    esac
}
hold() {
    ! held || return 0
    case $kind in
    deb) apt-mark hold "$name" >/dev/null ;;
    rpm)
        # No plugin is needed for this, and it counts for every repository. What was excluded before stays so.
        if grep -q '^excludepkgs *=' "$etc/dnf/dnf.conf"; then
            sed -i "s/^excludepkgs *=.*/& $name/" "$etc/dnf/dnf.conf"
        else
            grep -q '^\[main\]' "$etc/dnf/dnf.conf" 2>/dev/null || echo '[main]' >>"$etc/dnf/dnf.conf"
            sed -i "/^\[main\]/a excludepkgs=$name" "$etc/dnf/dnf.conf"
        fi
        ;;
    esac
}
name_in() {
    case $kind in
    deb) dpkg-deb -f "$1" Package 2>/dev/null ;;
    rpm) rpm -qp --nosignature --qf '%{NAME}\n' "$1" 2>/dev/null ;;
    esac
}
version_in() {
    case $kind in
    deb) dpkg-deb -f "$1" Version ;;
    rpm) rpm -qp --nosignature --qf '%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null ;;
    esac
}
# Newest first.
offered() {
    case $kind in
    deb) apt-cache madison "$name" | awk '{ print $3 }' ;;
    rpm) dnf_ours -q repoquery --qf '%{version}-%{release}' "$name" | sort -rV ;;
    esac
}
install_it() { # name, name with version, or file
    case $kind in
    deb) DEBIAN_FRONTEND=noninteractive apt-get install -qy --allow-change-held-packages "$1" >/dev/null ;;
    rpm) dnf -q -y --disableexcludes=all install "$1" >/dev/null ;;
    esac
}
dnf_ours() { dnf --disableexcludes=all --disablerepo='*' --enablerepo=refarch-gitlab "$@"; }

# Whether an installed version is the one that is wanted: the same, or of the wanted line.
fits() { # installed
    case $VERSION in newest) return 0 ;; esac
    case $1 in "$VERSION" | "$VERSION"-* | "$VERSION".* | "$VERSION"+*) return 0 ;; esac
    return 1
}

case $1 in
version)
    version_of
    exit
    ;;
installed)
    have=$(version_of)
    [ -n "$have" ] && fits "$have" || exit 1
    [ "$SOURCE" = none ] || held
    exit
    ;;
esac

have=$(version_of)
if [ "$SOURCE" = none ]; then
    [ -n "$have" ] || stop "$name is not installed, and settings.linux-package.source is none: install it, or name a source"
    fits "$have" || stop "$name $have is installed, not $VERSION, and settings.linux-package.source is none"
    exit 0
fi
if [ -n "$have" ] && fits "$have"; then
    hold
    exit 0
fi
if [ -n "$have" ] && [ "$1" != upgrade ]; then
    stop "$name $have is installed and $VERSION is wanted: an upgrade has an order of its own." \
        "Set settings.linux-package.allow_upgrade to true to have the package replaced node by node"
fi

case $system-$release in
debian-11 | debian-12 | debian-13 | ubuntu-20.04 | ubuntu-22.04 | ubuntu-24.04 | amzn-2023) ;;
rhel-[89] | rhel-[89].* | centos-[89] | rocky-[89].* | almalinux-[89].* | ol-[89].*) ;;
*) stop "$system $release is not supported: Debian 11 to 13, Ubuntu 20.04 to 24.04, RHEL 8 and 9, and Amazon Linux 2023 are" ;;
esac

fetch() { # url file
    if [ -n "$HEADER" ]; then
        # The header may be a token: it goes through standard input, never through the argument list.
        printf '%s\n' "$HEADER" | curl -fsSL --retry 3 -H @- -o "$2" "$1"
    else
        curl -fsSL --retry 3 -o "$2" "$1"
    fi
}

# A key is used when it is the pinned one and no other is in the same file.
fetch_key() { # address, fingerprint, its setting, file
    fetch "$1" "$4" || stop "cannot fetch the signing key from $1"
    found=$(gpg --homedir "$work" --show-keys --with-colons "$4" 2>/dev/null |
        awk -F: '$1 == "pub" { new = 1 } $1 == "fpr" && new { printf "%s%s", sep, $10; sep = " "; new = 0 }')
    [ "$found" = "$2" ] ||
        stop "the signing key at $1 is $found, not $2: somebody may be in between, or the vendor has a new key" \
            "(settings.linux-package.$3)"
}

use_repository() { # base address, address of the key that signs it, of the key that signs packages
    work=$(mktemp -d)
    fetch_key "$2" "$FINGERPRINT" signing_key "$work/key.asc"
    if [ "$kind" = deb ]; then
        gpg --homedir "$work" --dearmor <"$work/key.asc" >"$work/key.gpg" 2>/dev/null
        install -m 0644 "$work/key.gpg" /usr/share/keyrings/refarch-gitlab.gpg
        rm -rf "$work"
        echo "deb [signed-by=/usr/share/keyrings/refarch-gitlab.gpg] $1 $(os VERSION_CODENAME) main" >/etc/apt/sources.list.d/refarch-gitlab.list
        apt-get update -q -o Dir::Etc::sourcelist=sources.list.d/refarch-gitlab.list -o Dir::Etc::sourceparts=- \
            -o APT::Get::List-Cleanup=0 >/dev/null || stop "the repository $1 does not answer"
        return
    fi
    fetch_key "$3" "$PACKAGE_FINGERPRINT" package_signing_key "$work/package.asc"
    mkdir -p "$etc/pki/rpm-gpg" "$etc/yum.repos.d"
    install -m 0644 "$work/key.asc" "$etc/pki/rpm-gpg/RPM-GPG-KEY-refarch-gitlab"
    install -m 0644 "$work/package.asc" "$etc/pki/rpm-gpg/RPM-GPG-KEY-refarch-gitlab-package"
    rm -rf "$work"
    # rpm asks its own ring, whatever the repository's file names.
    rpm --import "$etc/pki/rpm-gpg/RPM-GPG-KEY-refarch-gitlab-package"
    cat >"$etc/yum.repos.d/refarch-gitlab.repo" <<END
# Written by refarch. Both keys were compared with the pinned fingerprints.
[refarch-gitlab]
name=gitlab, for refarch
baseurl=$1
enabled=1
repo_gpgcheck=1
gpgcheck=1
gpgkey=file://$etc/pki/rpm-gpg/RPM-GPG-KEY-refarch-gitlab file://$etc/pki/rpm-gpg/RPM-GPG-KEY-refarch-gitlab-package
sslverify=1
metadata_expire=300
END
    dnf_ours -q -y makecache --refresh >/dev/null || stop "the repository $1 does not answer, or is not signed by the pinned key"
}

from_repository() {
    wanted=$name
    if [ "$VERSION" != newest ]; then
        exact=$(offered | awk -v v="$VERSION" '
            !found && ($1 == v || index($1, v "-") == 1 || index($1, v ".") == 1 || index($1, v "+") == 1) { found = 1; print $1 }')
        if [ -z "$exact" ]; then
            near=$(offered | head -n 3 | tr '\n' ' ')
            stop "there is no $name $VERSION in the repository; the newest there are: ${near:-none}"
        fi
        case $kind in deb) wanted=$name=$exact ;; rpm) wanted=$name-$exact ;; esac
    fi
    install_it "$wanted"
}

if [ "$kind" = rpm ]; then folder=$folder/$(rpm --eval '%{_arch}'); else folder=$system/; fi
case $SOURCE in
repository)
    use_repository "$vendor/gitlab/$name/$folder" "$vendor/gitlab/$name/gpgkey" "$vendor/gitlab/gitlab-ee/$package_key" && from_repository
    ;;
nightly)
    use_repository "$vendor/gitlab/nightly-builds/$folder" "$vendor/gitlab/nightly-builds/gpgkey" \
        "$vendor/gitlab/gitlab-ee/$package_key" && from_repository
    ;;
mirror) use_repository "$LOCATION" "${LOCATION%/}/gpgkey" "${LOCATION%/}/package-gpgkey" && from_repository ;;
url | path | file)
    case $SOURCE in
    path) file=$LOCATION ;;
    # refarch has put it there.
    file) file=$UPLOAD ;;
    url)
        file=/var/lib/refarch/$name.$kind
        fetch "$LOCATION" "$file" || stop "cannot fetch $LOCATION"
        ;;
    esac
    [ -r "$file" ] || stop "there is no $file on this node"
    case $(name_in "$file") in
    "$name") ;;
    *) stop "$LOCATION is no package of $name for this system" ;;
    esac
    fits "$(version_in "$file")" || stop "$LOCATION is version $(version_in "$file"), not $VERSION"
    install_it "$file"
    [ "$SOURCE" = path ] || rm -f "$file"
    ;;
esac
hold
