#!/bin/sh
# Waits on Consul for the one healthy PostgreSQL that calls itself leader, and points PgBouncer at it.
set -u
url='http://127.0.0.1:8500/v1/health/service/sandbox?passing&tag=master'
file=/var/lib/pgbouncer/databases.ini
run=${RUNTIME_DIRECTORY:?}
index=0
last=
while :; do
    # Answers at once when the index is old, else as soon as something changes.
    if ! curl -sfm 45 -D "$run/headers" -o "$run/answer" "$url&wait=30s&index=$index"; then
        index=0
        sleep 0.5
        continue
    fi
    index=$(tr -d '\r' <"$run/headers" | awk 'tolower($1) == "x-consul-index:" { print $2 }')
    # None: a failover is under way. Two: the old leader has not given up yet. Both pass; until then nothing changes.
    leader=$(jq -r '[.[].Service | "\(.Address) \(.Port)"] | unique | if length == 1 then .[0] else "" end' "$run/answer")
    [ -n "$leader" ] || continue
    wanted="[databases]
sandbox = host=${leader% *} port=${leader#* } dbname=sandbox"
    if [ "$(cat "$file" 2>/dev/null)" != "$wanted" ]; then
        (umask 027 && printf '%s\n' "$wanted" >"$file.new" && mv "$file.new" "$file") || continue
    elif [ "$leader" = "$last" ]; then
        continue
    fi
    last=$leader
    # A changed address makes PgBouncer close its server connections as they become free.
    if kill -HUP "$(cat /var/run/postgresql/pgbouncer.pid)" 2>/dev/null; then
        echo "PgBouncer now goes to $leader"
    fi
done
