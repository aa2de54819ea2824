#!/bin/sh
# Makes the virtual environment that an emulator of the tests runs in, and prints its folder. It lies in the cache, outside
# the checkout, and is made once for each list of packages: when it is there, this takes a few milliseconds.
#
#     scripts/emulators.sh [LIST]      # a requirements file; tests/support/requirements.txt where none is named
set -eu

list=${1:-$(dirname "$0")/../tests/support/requirements.txt}
cache=${REFARCH_CACHE:-$HOME/.cache/refarch}
venv=$cache/emulators/$(sha256sum <"$list" | cut -c1-16)

if ! [ -e "$venv/complete" ]; then
    mkdir -p "$cache/emulators"
    # Two that start at once: one makes it, the other waits.
    exec 9>"$cache/emulators/lock"
    flock 9
    if ! [ -e "$venv/complete" ]; then
        echo "emulators: installing them from the Python registry into $venv" >&2
        rm -rf "$venv"
        python3 -m venv "$venv"
        # --no-deps: the list is whole, and nothing that is not on it comes along.
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$list" >&2
        "$venv/bin/pip" check --disable-pip-version-check >&2
        : >"$venv/complete"
    fi
fi
echo "$venv"
