#!/usr/bin/env bash
# Measures what docs/performance.md states, on this machine, with the optimised binary: scripts/figures.sh BINARY
# An environment of its own is brought up and removed. Nothing else should run meanwhile.
set -euo pipefail
refarch=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
command -v /usr/bin/time >/dev/null || apt-get install -qqy time >/dev/null
scratch=$(mktemp -d)
trap 'cd /; "$refarch" destroy "$scratch/figures.yaml" --yes --destroy-data figures >/dev/null 2>&1 || true; rm -rf "$scratch"' EXIT
export REFARCH_OUTPUT=plain REFARCH_WORKSPACE=$scratch/work NO_COLOR=1

# measure NAME COMMAND...: wall-clock seconds and the most memory that the process held at a time.
measure() {
    local name=$1
    shift
    if ! /usr/bin/time -f '%e %M' -o "$scratch/figure" "$@" >"$scratch/out" 2>"$scratch/err"; then
        tail -n 20 "$scratch/out" "$scratch/err" >&2
        exit 1
    fi
    read -r seconds kilobytes < <(tail -n 1 "$scratch/figure")
    printf '%-44s %8s s %7s MB\n' "$name" "$seconds" "$((kilobytes / 1024))"
}

printf 'name: figures\narchitecture: 3k\nprovider: local\npurpose: test\n' >"$scratch/figures.yaml"
printf '%s, %s, %s CPUs, %s\n' "$(date -u +%F)" "$("$refarch" --version)" "$(nproc)" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
for size in 1k 3k 10k 50k; do
    measure "plan --offline, stack sandbox, $size" "$refarch" plan --offline "$scratch/figures.yaml" --set "architecture=$size"
done
measure "plan --offline, stack gitlab, 50k" "$refarch" plan --offline "$root/environments/static/50k.yaml"
measure "apply 3k (builds the image where none is)" "$refarch" apply "$scratch/figures.yaml" --yes --no-verify
measure "verify 3k" "$refarch" verify "$scratch/figures.yaml"
measure "plan 3k, nothing to do" "$refarch" plan "$scratch/figures.yaml"
measure "apply 3k again, nothing to do" "$refarch" apply "$scratch/figures.yaml"
measure "status 3k" "$refarch" status "$scratch/figures.yaml"
measure "exec on all 23 nodes" "$refarch" exec -e "$scratch/figures.yaml" --on '*' -- true
measure "destroy 3k" "$refarch" destroy "$scratch/figures.yaml" --yes --destroy-data figures
