# Tries to write on this server, past everything that stands before it, again and again. Of each write that the server
# took a line `accepted TERM MILLISECONDS`: the term is the timeline, which every promotion raises, the time is this
# server's clock after the commit. A write is taken when it is answered, as for every user: with synchronous_mode a
# server that is cut off from its replicas answers none.
set -u
psql=$(printf '%s\n' /usr/lib/postgresql/*/bin/psql | tail -n 1)
cd /
tries() {
    while :; do
        printf '%s\n' '\unset lsn'
        echo "select case when not pg_is_in_recovery() then pg_logical_emit_message(true, 'refarch drill', '') end as lsn \\gset"
        printf '%s\n' '\if :{?lsn}'
        echo "select 'accepted ' || ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int || ' ' || (extract(epoch from clock_timestamp()) * 1000)::bigint;"
        printf '%s\n' '\else' '\echo asleep' '\endif'
        sleep 0.3
    done
}
while :; do
    tries | runuser -u postgres -- "$psql" -XAtq 2>/dev/null
    echo asleep || exit 0
    sleep 0.3
done
