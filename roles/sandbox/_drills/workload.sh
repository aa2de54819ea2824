# What users do all the while that a drill runs. Defines
#   work    writes, reads, jobs, pushes and clones until nobody listens; of each request a line
#           `ok|failed MILLISECONDS KIND [WHY]`, and of what was answered `acked KIND KEY [VALUE]`, or `gone KIND KEY`
#           where it was taken back
#   audit   looks for all that `acked` named (the same lines on standard input): `lost KIND KEY WHY`, then `audited N`
#   clean   removes what `acked` named
{%- set door = all_settings['haproxy-external'].floating_address %}
set -eu
work() { python3 -u /dev/fd/3 work 3<"$program"; }
audit() { python3 -u /dev/fd/3 audit 3<"$program"; }
clean() { python3 -u /dev/fd/3 clean 3<"$program"; }
program=$(umask 077 && mktemp)
trap 'rm -f "$program"' EXIT
# Everything below is sent on standard input and kept where only root may read: it holds the token.
cat >"$program" <<'PROGRAM'
{% include "/_drills/workload.py" %}
PROGRAM
CONFIG=$(cat <<'CONFIG'
{{ {"domain": environment.domain, "doors": [door] if door else by_role['haproxy-external'] | map(attribute='address') | list, "storages": by_role.gitaly | length} | tojson }}
CONFIG
)
export CONFIG
