# The part that every program has in common. POSIX sh and coreutils; runs as root.
#
# M is `check` or `apply`, S the folder for records, P the path of policy-rc.d, O that of os-release, B the folder for packages
# from a bundle (empty: there is none), D where dpkg keeps what it knows. Standard input, after the program
# itself, holds the contents of the files in the order in which they are named. A line that begins with the byte
# 0x1e is a message for the controller: number of the resource, outcome, detail. Every other line is for the log.
umask 077
cd /
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
exec 3<&0 </dev/null 2>&1
NL='
'
CH=' '
RELOAD=
YES=
SKIP=0
BAD=0
T=
POLICY=
LATER=
PENDING=
FOLDERS=
DIFFERS=
trap '[ -z "$T" ] || rm -f -- "$T"; [ -z "$POLICY" ] || rm -f -- "$POLICY"; leave_nothing' EXIT
trap 'exit 143' HUP INT TERM PIPE

say() {
    [ "$2" != changed ] || DIFFERS=1
    printf '\036%s %s %s\n' "$1" "$2" "$3"
}
doing() { printf '\036%s doing %s\n' "$1" "$2"; }
fail() {
    say "$1" failed "$2"
    BAD=10
    [ "$M" = check ] || exit 10
}
# Files that did not get to their places.
leave_nothing() {
    [ -n "$PENDING$FOLDERS" ] || return 0
    set -- $PENDING
    while [ $# -gt 0 ]; do
        rm -f -- "$3"
        shift 4
    done
    [ -z "$FOLDERS" ] || rm -rf -- $FOLDERS
}
# A text of a role: its own shell, nothing to read, a limit in seconds.
bounded() { timeout -k 5 "$1" sh -c "$2" 3<&-; }

# The questions of a check, a few at a time, each in a shell of its own. What is noted are the numbers of those that are
# answered with success. Nothing changes meanwhile, so their order does not matter.
ask() { # seconds, number and text of each
    s=$1
    shift
    YES=$YES$NL$(timeout -k 5 "$s" sh -c "$ASK" sh "$@" 3<&-)
    while [ $# -gt 0 ]; do
        eval "Q$1=\$2"
        shift 2
    done
}
ASK='i=0
while [ $# -gt 0 ]; do
    n=$1 q=$2
    shift 2
    { (set --; eval "$q") >/dev/null 2>&1 && echo "$n"; } &
    i=$((i + 1))
    [ $((i % 8)) -ne 0 ] || wait
done
wait'
answered() { # number
    case $NL$YES$NL in *"$NL$1$NL"*) ;; *) return 1 ;; esac
}

# A path is about to differ: whatever was started with it needs a new start, even if this run ends here.
touched() {
    CH="$CH$1 "
    case $1 in */systemd/system/*) RELOAD=1 ;; esac
    [ "$M" = apply ] && [ -d "$S/services" ] || return 0
    grep -lxsF -e "$1" -- "$S"/services/* | while read -r r; do rm -f -- "$r"; done
}

# Asked before anything changes. What it prints is the message.
requirement() { # number, text
    if o=$(bounded 30 "$2" 2>&1); then say "$1" ok ''; else fail "$1" "$(printf '%s' "${o:-it does not say why}" | tr '\n' ' ')"; fi
}

# Which kind of packages: deb, rpm or none. A name with a slash is called otherwise by RPM distributions, or not needed.
kind() {
    case $(. "$O" 2>/dev/null; echo " ${ID-} ${ID_LIKE-} ") in
    *" debian "* | *" ubuntu "*) echo deb ;;
    *" rhel "* | *" fedora "* | *" centos "* | *" amzn "*) echo rpm ;;
    *) if command -v dpkg-query >/dev/null; then echo deb; fi ;;
    esac
}
named() { # names
    for n in "$@"; do
        case $KIND:$n in rpm:*/*) n=${n#*/} ;; *) n=${n%%/*} ;; esac
        [ -z "$n" ] || printf '%s ' "$n"
    done
}
# What dpkg knows, read in a tenth of the time that dpkg-query takes. Not while dpkg has something to add to it, and not where
# the architecture matters.
nothing_to_add() { [ -d "$D/updates" ] && set -- "$D/updates/"* && [ ! -e "$1" ]; }
known() { # names
    [ $# -gt 0 ] && [ -r "$D/status" ] && nothing_to_add || return 1
    for n in "$@"; do
        case $n in *:*) return 1 ;; esac
        set -- "$@" -e "Package: $n"
        shift
    done
    # The state comes right after the name and at most two other fields.
    x=$(grep -xF -A3 "$@" -- "$D/status") || [ $? -eq 1 ] || return 1
    HAVE= n=
    while read -r y; do
        case $y in
        'Package: '*) n=${y#* } ;;
        'Status: '*' installed') HAVE="$HAVE${NL}installed $n" ;;
        esac
    done <<END
$x
END
}
ask_packages() { # names
    KIND=$(kind)
    set -- $(named "$@")
    case $KIND in
    deb)
        for n in "$@"; do set -- "$@" "${n%%=*}"; shift; done
        known "$@" || HAVE=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null)
        ;;
    # A minimal variant of a package provides its name and cannot be installed beside it.
    rpm) HAVE=$(for n in "$@"; do if rpm -q --quiet --whatprovides "$n" 3<&-; then echo "installed $n"; fi; done) ;;
    esac
}
packages() { # number, names
    i=$1 miss=
    shift
    if [ "$M$KIND" = applydeb ] && [ -n "$B" ] && ! bundle_only; then
        fail "$i" "$B cannot be made"
        return
    fi
    for n in $(named "$@"); do
        case $NL$HAVE$NL in *"${NL}installed ${n%%[:=]*}$NL"*) ;; *) miss="$miss $n" ;; esac
    done
    if [ -z "$miss" ]; then
        say "$i" ok ''
        return
    fi
    if [ -z "$KIND" ]; then
        fail "$i" "this machine is neither of Debian's kind nor of RHEL's: refarch configures Debian 11 to 13, Ubuntu 20.04 to 24.04, RHEL 8 and 9, and Amazon Linux 2023"
        return
    fi
    if [ -n "$B" ]; then
        SHELF=$(shelf "$(platform)")
        if [ -z "$SHELF" ]; then
            fail "$i" "the bundle has no packages for $(platform), and this machine lacks$miss"
            return
        fi
    fi
    if [ "$M$KIND" = applyrpm ]; then
        doing "$i" "installing$miss"
        if ! dnf -q -y --setopt=install_weak_deps=False install $miss 3<&-; then
            fail "$i" "could not install$miss"
            return
        fi
    elif [ "$M" = apply ]; then
        doing "$i" "installing$miss"
        if [ ! -e "$P" ] || grep -qs 'made by refarch' "$P"; then
            POLICY=$P
            printf '#!/bin/sh\n# made by refarch while it installs packages: services start when they are configured\nexit 101\n' >"$P"
            chmod 0755 "$P"
        fi
        if { [ -n "$B" ] && bundled "$i"; } || { [ -z "$B" ] && from_sources; }; then :; else
            fail "$i" "could not install$miss"
            return
        fi
        if [ -n "$POLICY" ]; then
            rm -f -- "$POLICY"
            POLICY=
        fi
    fi
    say "$i" changed "install$miss"
}
install_now() { # options
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" $miss 3<&-
}
from_sources() {
    set -- /var/lib/apt/lists/*_Packages*
    { [ -e "$1" ] && install_now; } || { dpkg --configure -a && apt-get -q -o DPkg::Lock::Timeout=300 update && install_now; }
}

# Packages out of the controller's bundle, whose folder here is B. Nothing else is asked, by what a role runs neither: apt
# is given one source, a folder of root's, whose index came over this connection with the hash that the bundle says.
platform() { (. "$O" 2>/dev/null; printf '%s-%s-%s' "${ID-}" "${VERSION_ID-}" "$(dpkg --print-architecture 2>/dev/null || uname -m)"); }
bundle_only() {
    [ -d "${B%/*}" ] || (umask 022 && mkdir -p -- "${B%/*}") || return 1
    [ -d "$B" ] || mkdir -m 0700 -- "$B" || return 1
    mkdir -p -- "$B/lists/partial" && printf 'deb [trusted=yes] file:%s ./\n' "$B" >"$B/sources.list" && {
        # What the machine's administrator set for apt stays so.
        [ ! -d /etc/apt/apt.conf.d ] || echo '#include "/etc/apt/apt.conf.d/";'
        [ ! -f /etc/apt/apt.conf ] || echo '#include "/etc/apt/apt.conf";'
        for q in main parts sourceparts preferences preferencesparts; do echo "Dir::Etc::$q \"/dev/null\";"; done
        echo "Dir::Etc::sourcelist \"$B/sources.list\"; Dir::State::lists \"$B/lists\";"
        echo 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache ""; APT::Default-Release ""; APT::Sandbox::User "root";'
    } >"$B/apt.conf" && export APT_CONFIG="$B/apt.conf"
}
bundled() { # number
    set -- "$1" $SHELF
    { [ -f "$B/Packages" ] && y=$(sha256sum <"$B/Packages") && [ "${y%% *}" = "$2" ]; } || rm -f -- "$B/Packages"
    take "$1" "$2" "$3" Packages && dpkg --configure -a && apt-get -q update 3<&- || return 1
    if y=$(install_now --print-uris); then :; else
        printf '%s\n' "$y"
        return 1
    fi
    # It says of each package: 'file:FOLDER/./HASH.deb' NAME SIZE
    set -- "$1" $(printf '%s\n' "$y" | sed -n "s#^'.*/\([0-9a-f]*\)\.deb' [^ ]* \([0-9]*\).*#\1 \2 \1.deb#p")
    take "$@" && install_now && rm -f -- "$B"/*.deb "$B"/*.part
}
# Everything is asked for at once, and comes in that order. What came of a file before is kept, and counts.
take() { # number; hash, size and name of each
    k=$1 z=0 w=
    shift
    while [ $# -ge 3 ]; do
        if [ ! -f "$B/$3" ]; then
            o=$(stat -c %s -- "$B/$1.part" 2>/dev/null) || o=0
            if [ "$o" -gt "$2" ]; then
                rm -f -- "$B/$1.part"
                o=0
            fi
            w="$w $1 $2 $3 $o" z=$((z + $2 - o))
        fi
        shift 3
    done
    y=$(df -k --output=avail -- "$B" | tail -n 1)
    if [ "$y" -lt $((z / 1024)) ]; then
        echo "$B has room for $((y / 1024)) MB, and $((z / 1048576)) MB are to come"
        return 1
    fi
    set -- $w
    while [ $# -gt 0 ]; do
        say "$k" send "$4 $1"
        shift 4
    done
    set -- $w
    while [ $# -gt 0 ]; do
        head -c "$(($2 - $4))" <&3 >>"$B/$1.part" || return 1
        y=$(sha256sum <"$B/$1.part")
        if [ "${y%% *}" != "$1" ]; then
            [ "$(stat -c %s -- "$B/$1.part")" -lt "$2" ] || rm -f -- "$B/$1.part"
            echo "$3 did not arrive whole; what did is kept, and the next run goes on from there"
            return 1
        fi
        mv -fT -- "$B/$1.part" "$B/$3" || return 1
        shift 4
    done
}

# What root makes needs no chown where it is for root, in a folder that passes no group on.
own() { # owner, path
    [ "$1" = root:root ] && [ ! -g "${2%/*}" ]
}
folder() { # mode, owner, path
    # A new one, and nothing more to do: one process instead of three.
    ! { own "$2" "$3" && mkdir -m "$1" -- "$3" 2>/dev/null; } || return 0
    (umask 022 && mkdir -p -- "$3") && chown -h -- "$2" "$3" && chmod -- "$1" "$3"
}
directory() { # number, fact, type and mode, mode, owner, group, path
    eval "x=\${f$2-}"
    d=
    case $x in
    '') d=create ;;
    4*)
        set -- "$@" $x
        [ "$8" = "$3" ] || d="mode $9 -> $4"
        [ "${10}:${11}" = "$5:$6" ] || d="${d:+$d, }owner ${10}:${11} -> $5:$6"
        ;;
    *)
        fail "$1" 'something that is not a directory is in the way'
        return
        ;;
    esac
    if [ -z "$d" ]; then
        say "$1" ok ''
        return
    fi
    if [ "$M" = apply ]; then
        folder "$4" "$5:$6" "$7" || {
            fail "$1" 'cannot be made'
            return
        }
    fi
    say "$1" changed "$d"
}

file() { # number, fact, sha256, size, type and mode, mode, owner, group, flags, path
    eval "x=\${f$2-} y=\${h$2-}"
    d= c=
    case $9:${x:+there} in
    *i*:there)
        pass "$9" "$4"
        say "$1" ok ''
        return
        ;;
    esac
    case $x in
    '') c=create ;;
    8*)
        set -- "$@" $x
        [ "$y" = "$3" ] || c=content
        [ "${11}" = "$5" ] || d="mode ${12} -> $6"
        [ "${13}:${14}" = "$7:$8" ] || d="${d:+$d, }owner ${13}:${14} -> $7:$8"
        ;;
    *) c='replace what is no file' ;;
    esac
    if [ -z "$c$d" ]; then
        pass "$9" "$4"
        say "$1" ok ''
        return
    fi
    touched "${10}"
    if [ "$M" = apply ]; then
        if [ -n "$c" ]; then
            put "$1" "$3" "$4" "$6" "$7:$8" "$9" "${10}" && LATER="$LATER$1 changed $c${d:+, $d}$NL"
        else
            pass "$9" "$4"
            chown -h -- "$7:$8" "${10}" && chmod -- "$6" "${10}"
        fi || {
            fail "$1" 'cannot be written'
            return
        }
        [ -z "$c" ] || return 0
    elif [ "$c" = content ]; then
        case $9 in
        *s*) ;;
        *)
            if [ "${15}" -le 262144 ]; then
                printf '\036%s present ' "$1"
                base64 -w0 -- "${10}"
                printf '\n'
            fi
            ;;
        esac
    fi
    say "$1" changed "$c${c:+${d:+, }}$d"
}
# What is not wanted of the contents on standard input is read later, all at once. A plain text is not there: it is in TEXT.
pass() { # flags, size
    case $1 in *t*) ;; *) SKIP=$((SKIP + $2)) ;; esac
}
# Writes a file beside its place. Where several lie in one folder they are moved together, from a folder in it.
put() { # number, sha256, size, mode, owner, flags, path
    case $6 in *d*) T=${7%/*}/.refarch.new/${7##*/} ;; *) T=${7%/*}/.${7##*/}.refarch ;; esac
    case " $PENDING" in *" $T "*) settle ;; esac
    [ -d "${7%/*}" ] || (umask 022 && mkdir -p -- "${7%/*}") || return 1
    case $6 in *d*) gather "${T%/*}" || return 1 ;; esac
    if [ -e "$T" ] || [ -h "$T" ]; then rm -f -- "$T" || return 1; fi
    case $6:$SKIP in
    *t*:* | *:0) ;;
    *)
        dd "bs=$SKIP" count=1 iflag=fullblock of=/dev/null status=none <&3 || return 1
        SKIP=0
        ;;
    esac
    # The usual modes come from the umask: a process less for each file.
    m=
    case $4 in 0644) umask 022 ;; 0640) umask 027 ;; 0600) ;; *) m=$4 ;; esac
    set -C
    case $6 in *t*) printf %s "$TEXT" >"$T" ;; *) dd "bs=$3" count=1 iflag=fullblock status=none <&3 >"$T" ;; esac
    r=$?
    set +C
    umask 077
    [ $r -eq 0 ] || return 1
    own "$5" "$T" || chown -h -- "$5" "$T" || return 1
    # A change of owner takes some bits of the mode away.
    [ -z "$m" ] || chmod -- "$m" "$T" || return 1
    PENDING="$PENDING$1 $2 $T $7 "
    T=
}
gather() { # folder
    case " $FOLDERS" in *" $1 "*) return 0 ;; esac
    if [ -e "$1" ] || [ -h "$1" ]; then rm -rf -- "$1" || return 1; fi
    mkdir -m 0700 -- "$1" && FOLDERS="$FOLDERS$1 "
}
# Moves what was written to its places: one process for the hashes of all, then one for each folder.
settle() {
    [ -n "$PENDING" ] || return 0
    set -- $PENDING
    y=
    while [ $# -gt 0 ]; do
        y="$y $3"
        shift 4
    done
    y=$NL$(sha256sum -- $y)$NL
    set -- $PENDING
    while [ $# -gt 0 ]; do
        case $y in
        *"$NL$2  $3$NL"*) ;;
        *)
            echo 'the content did not arrive whole'
            fail "$1" 'cannot be written'
            ;;
        esac
        shift 4
    done
    for q in $FOLDERS; do
        set -- $PENDING
        i= y=
        while [ $# -gt 0 ]; do
            [ "${3%/*}" != "$q" ] || i=${i:-$1} y="$y $3"
            shift 4
        done
        mv -f -t "${q%/*}" -- $y || fail "$i" 'cannot be put in its place, or one after it in the same folder'
    done
    set -- $PENDING
    while [ $# -gt 0 ]; do
        case ${3%/*} in */.refarch.new) ;; *) mv -fT -- "$3" "$4" || fail "$1" 'cannot be put in its place' ;; esac
        shift 4
    done
    [ -z "$FOLDERS" ] || rmdir -- $FOLDERS
    PENDING= FOLDERS=
    IFS=$NL
    set -f
    printf '\036%s\n' $LATER
    set +f
    unset IFS
    LATER=
}

link() { # number, fact, target, path
    eval "x=\${f$2-}"
    # What `stat` says ends with: 'path' -> 'target'.
    y=
    case $x in a*" -> '"*) y=${x##* -> \'} y=${y%\'} ;; esac
    if [ "$y" = "$3" ]; then
        say "$1" ok ''
        return
    fi
    touched "$4"
    if [ "$M" = apply ]; then
        T=${4%/*}/.${4##*/}.refarch
        # Where nothing is, there is nothing to be replaced in one step.
        if { [ -z "$x" ] && ln -sT -- "$3" "$4"; } ||
            { [ -n "$x" ] && rm -f -- "$T" && ln -s -- "$3" "$T" && mv -fT -- "$T" "$4"; }; then T=; else
            fail "$1" 'cannot be made'
            return
        fi
    fi
    say "$1" changed "${x:+${y:-something else} -> }$3"
}

absent() { # number, fact, path
    eval "x=\${f$2-}"
    if [ -z "$x" ]; then
        say "$1" ok ''
        return
    fi
    touched "$3"
    if [ "$M" = apply ] && ! rm -rf -- "$3"; then
        fail "$1" 'cannot be removed'
        return
    fi
    say "$1" changed remove
}

upload() { # number, guard, sha256, size, path
    if bounded 30 "$2" >/dev/null 2>&1 || { [ -f "$5" ] && y=$(sha256sum <"$5") && [ "${y%% *}" = "$3" ]; }; then
        say "$1" ok ''
        return
    fi
    if [ "$M" = apply ] && ! receive "$@"; then
        fail "$1" 'did not arrive whole; what did is kept, and the next run goes on from there'
        return
    fi
    say "$1" changed "send $(($4 / 1000000)) MB"
}
# The controller sends what is missing once it is asked to: after the contents of all files, which come unasked.
receive() {
    [ -d "${5%/*}" ] || (umask 022 && mkdir -p -- "${5%/*}") || return 1
    q=$5.$3.part
    for o in "$5".*.part; do [ "$o" = "$q" ] || rm -f -- "$o"; done
    o=$(stat -c %s -- "$q" 2>/dev/null) || o=0
    if [ "$o" -gt "$4" ]; then
        rm -f -- "$q"
        o=0
    fi
    y=$(df -k --output=avail -- "${5%/*}" | tail -n 1)
    if [ "$y" -lt $((($4 - o) / 1024)) ]; then
        echo "${5%/*} has room for $((y / 1024)) MB, and $((($4 - o) / 1048576)) MB are to come"
        return 1
    fi
    if [ "$SKIP" -gt 0 ]; then
        dd "bs=$SKIP" count=1 iflag=fullblock of=/dev/null status=none <&3 || return 1
        SKIP=0
    fi
    say "$1" send "$o"
    head -c "$(($4 - o))" <&3 >>"$q" || return 1
    y=$(sha256sum <"$q")
    if [ "${y%% *}" != "$3" ]; then
        [ "$(stat -c %s -- "$q")" -lt "$4" ] || rm -f -- "$q"
        return 1
    fi
    mv -fT -- "$q" "$5"
}

done_already() { # number, guard
    if [ "$M" = check ]; then answered "$1"; else bounded 30 "$2" >/dev/null 2>&1; fi
}
guarded() { # number, seconds, guard, text, whether it interrupts something
    if done_already "$1" "$3"; then
        say "$1" ok ''
        return
    fi
    if [ "$M" = check ] && [ -n "$5" ] && bounded 30 "$5" >/dev/null 2>&1; then
        say "$1" changed 'run, with a restart'
        return
    fi
    if [ "$M" = apply ]; then
        doing "$1" running
        bounded "$2" "$4"
        r=$?
        case $r in
        0) ;;
        124 | 137)
            fail "$1" "not done within $2 s"
            return
            ;;
        *)
            fail "$1" "ended with code $r"
            return
            ;;
        esac
    fi
    say "$1" changed run
}

# Whether a service needs a new start: what it was started with is not what it should run with.
stale() { # record, hash, paths
    v=
    [ ! -f "$1" ] || read -r v <"$1"
    w='not started with this configuration'
    for q in $3; do
        case $CH in *" $q "*)
            w="$q changed"
            return 0
            ;;
        esac
    done
    [ "$v" != "$2" ]
}
record() { # record, hash, paths
    # A program whose controller was killed may still be writing its own.
    T=$1.$$
    printf '%s\n' "$2" $3 >"$T" && mv -f -- "$T" "$1" && T=
}

service() { # number, unit number, unit, hash, paths, hash, paths, validation
    eval "ls=\${u$2_LoadState-} as=\${u$2_ActiveState-} ss=\${u$2_SubState-} fs=\${u$2_UnitFileState-} nr=\${u$2_NeedDaemonReload-}"
    a= d= e=
    if [ -n "$7" ] && stale "$S/services/$3.reload" "$6" "$7"; then a=reload-or-restart d="reload ($w)"; fi
    if [ -n "$5" ] && stale "$S/services/$3.restart" "$4" "$5"; then a=restart d="restart ($w)"; fi
    case $as:$ss in
    activating:auto-restart*) a=restart d='restart (it keeps ending)' ;;
    active:* | reloading:* | refreshing:* | activating:*) ;;
    *) a=start d="start (${as:-unknown})" ;;
    esac
    case $fs in
    disabled | enabled-runtime | masked | masked-runtime | '')
        e=1
        d="enable${d:+, $d}"
        ;;
    esac
    [ "$nr" != yes ] || d="${d:+$d, }read its unit file again"
    if [ -z "$d" ]; then
        say "$1" ok ''
        return
    fi
    if [ "$M" = check ]; then
        say "$1" changed "$d"
        return
    fi
    if [ "$ls" = not-found ]; then
        fail "$1" 'there is no such unit'
        return
    fi
    if [ -n "$a" ] && [ -n "$8" ] && ! bounded 60 "$8"; then
        fail "$1" 'its new configuration is not valid; the service was left alone'
        return
    fi
    case $fs in masked*) systemctl unmask -- "$3" ;; esac
    if [ -n "$e" ] && ! systemctl enable -- "$3"; then
        fail "$1" 'cannot be enabled'
        return
    fi
    if [ -n "$a" ]; then
        doing "$1" "$d"
        case $as:$ss in failed:* | activating:*) systemctl reset-failed -- "$3" ;; esac
        if systemctl "$a" -- "$3" 3<&-; then :; else
            systemctl status --no-pager -l -n 20 -- "$3" 3<&-
            fail "$1" "cannot $a"
            return
        fi
    fi
    if [ -n "$5$7" ]; then
        mkdir -p -- "$S/services"
        { [ -z "$5" ] || record "$S/services/$3.restart" "$4" "$5"; } &&
            { [ -z "$7" ] || record "$S/services/$3.reload" "$6" "$7"; } || {
            fail "$1" 'its record cannot be written'
            return
        }
    fi
    say "$1" changed "$d"
}

clock() {
    read -r NOW x </proc/uptime
    NOW=${NOW%.*}
}
# A service that is late with one answer is not one that is to be mended: where nothing else differs, it is asked again.
ready_after_all() { # number
    for pause in 0.5 1 2; do
        [ -z "$DIFFERS" ] || return 1
        sleep $pause
        eval "bounded 10 \"\$Q$1\"" >/dev/null 2>&1 && return
    done
    return 1
}
ready() { # number, seconds, text
    if [ "$M" = check ]; then
        if answered "$1" || ready_after_all "$1"; then say "$1" ok ''; else say "$1" changed 'not ready'; fi
        return
    fi
    clock
    end=$((NOW + $2)) left=$2 pause=0.05
    while :; do
        [ "$left" -lt 10 ] || left=10
        if o=$(bounded "$left" "$3" 2>&1); then
            say "$1" ok ''
            return
        fi
        clock
        left=$((end - NOW))
        [ "$left" -gt 0 ] || break
        [ $pause != 0.05 ] || doing "$1" waiting
        sleep $pause
        case $pause in 0.05) pause=0.1 ;; 0.1) pause=0.2 ;; 0.2) pause=0.4 ;; 0.4) pause=0.8 ;; *) pause=1 ;; esac
    done
    [ -z "$o" ] || printf '%s\n' "$o"
    fail "$1" "not true within $2 s"
}
