#!/bin/sh
# What `make bench` needs besides the binary: namespaces' tools, and the peers in a folder of their own. Run as root.
set -eu
cache=$1
here=$(cd "$(dirname "$0")/../benches/peers" && pwd)
missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need mmdebstrap mmdebstrap
need ip iproute2
need sysctl procps
need ssh openssh-client
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
if ! cmp -s "$here/requirements.txt" "$cache/venv/requirements.txt"; then
    echo "setup: the peers, into $cache/venv"
    rm -rf "$cache/venv"
    mkdir -p "$cache"
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$cache/venv/requirements.txt"
fi
