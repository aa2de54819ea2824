#!/bin/sh
# Makes a fresh Debian or Ubuntu machine ready for `make demo` and `make test`. Run as root; idempotent; silent where
# there is nothing to do.
set -eu

say() { echo "setup: $*"; }

if ! command -v cargo >/dev/null 2>&1 && ! [ -x "${HOME:-/root}/.cargo/bin/cargo" ] && [ -z "${SUDO_USER:-}" ]; then
    say "cargo is missing: install Rust 1.95 or newer with rustup (the distribution's own is too old)" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    say "needs root, or a user with sudo" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    say "this is no Debian or Ubuntu; install a container engine, mmdebstrap, an OpenSSH client and server, git, Python with venv and a C compiler yourself" >&2
    exit 0
fi

missing=
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
engine() { docker version >/dev/null 2>&1 || curl -fs --unix-socket /var/run/docker.sock http://d/_ping >/dev/null 2>&1; }

need mmdebstrap mmdebstrap
need ssh openssh-client
# Tests start an sshd of their own on the loopback interface.
need sshd openssh-server
need git git
need make make
need cc gcc
need cmake cmake
need curl curl
# Tests of the product's stack: its configuration is Ruby, and scripts for RHEL run with RHEL's own tools.
need ruby ruby
need jq jq
need gpg gnupg
need rpmbuild rpm
need dnf dnf
need createrepo_c createrepo-c
# The cloud emulators and the object storage of the tests live in virtual environments.
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3 python3-venv"
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
engine || missing="$missing docker.io"

if [ -n "$missing" ]; then
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # The machine's own sshd is not to be started because of us.
    case $missing in *openssh-server*) had_policy=0; [ -e /usr/sbin/policy-rc.d ] || { had_policy=1
        printf '#!/bin/sh\ncase $1 in ssh|ssh.service) exit 101 ;; esac\nexit 0\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d; } ;; *) had_policy=0 ;; esac
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    [ "$had_policy" = 0 ] || rm -f /usr/sbin/policy-rc.d
fi

if ! engine; then
    say "starting the container engine"
    if [ -d /run/systemd/system ]; then systemctl start docker; else service docker start >/dev/null; fi
    tries=0
    until engine; do
        tries=$((tries + 1))
        [ "$tries" -le 60 ] || { say "the container engine does not answer; look at its log" >&2; exit 1; }
        sleep 0.5
    done
fi

# A node needs about six of them, and the kernel's default of 128 is for one person's programs.
instances=/proc/sys/fs/inotify/max_user_instances
if [ "$(cat $instances)" -lt 4096 ]; then
    say "raising fs.inotify.max_user_instances from $(cat $instances) to 4096 (until the next boot)"
    echo 4096 >$instances
fi
