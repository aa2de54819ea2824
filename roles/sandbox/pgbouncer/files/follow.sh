#!/bin/sh
# Waits on Consul for the one healthy PostgreSQL that calls itself leader, and points PgBouncer at it.
set -u
url='http://127.0.0.1:8500/v1/health/service/sandbox?passing&tag=master'
file=/var/lib/pgbouncer/databases.ini
run=${RUNTIME_DIRECTORY:?}
index=0
last=
# Seconds that a former leader has to end what it is asked.
grace=2

admin() {
    PGCONNECT_TIMEOUT=3 timeout 5 psql -XAtq -h /var/run/postgresql -p "$(sed -n 's/^listen_port = //p' /etc/pgbouncer/pgbouncer.ini)" -U pgbouncer pgbouncer "$@"
}
# Whether a client still waits for a server other than the leader.
hanging() {
    admin -c 'show servers' | awk -F '|' -v leader="$1" '$3 == "sandbox" && $4 == "active" && $5 != leader { found = 1 } END { exit !found }'
}
# A server that stands still answers nobody and closes nothing, and PgBouncer waits for it as long as the client does. What a
# former leader has not answered by now is lost to it anyway: clients try again, with its successor.
cut_off() {
    end=$(($(date +%s) + grace))
    while hanging "$1"; do
        if [ "$(date +%s)" -ge "$end" ]; then
            # Killed, a database takes nobody until it is resumed.
            admin -c 'kill sandbox' -c 'resume sandbox' && echo "cut off from a server that is not the leader and does not answer"
            return
        fi
        sleep 0.2
    done
}

# The one before may have ended between the two.
admin -c 'resume sandbox' 2>/dev/null
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
        cut_off "${leader% *}"
    fi
done
