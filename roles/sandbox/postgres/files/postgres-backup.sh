#!/bin/sh
# Backups of PostgreSQL by pgBackRest, and the way back. Run as root.
#   stanza-right | stanza       the place for backups is made; make it (on the server that leads)
#   backup full|incr            on the server that leads; elsewhere nothing
#   list                        what there is, as pgBackRest's JSON
#   prepare [TIME]              a whole copy beside the live data, as of TIME or the newest; the live data stays as it is
#   adopt STORAGE...            makes the copy of another environment's data this one's: passwords, and where repositories
#                               are - those of its first storage on the first one here, and so on in turn
#   prove                       checks every page and every table of that copy
#   drop                        removes the copy
#   swap                        puts the copy in the live data's place; that is kept as main.before-restore
#   another                     tells the place for backups that the data is another cluster's now
# Where REFARCH_SOURCE names another environment, `list` and `prepare` read its backups: /run/refarch-source-postgres has
# the way to them.
# PGROOT, where data directories lie; REFARCH_TARGET may hold the time instead of the argument.
set -eu
cd /
PGROOT=${PGROOT:-$(printf '%s\n' /var/lib/postgresql/[0-9]* | tail -n 1)}
version=${PGROOT##*/}
bin=/usr/lib/postgresql/$version/bin
live=$PGROOT/main
copy=$PGROOT/restored
socket=/run/refarch-restore
marker=/var/lib/refarch/stanza
configuration=/etc/pgbackrest.conf

as_postgres() { runuser -u postgres -- "$@"; }
source=
case $1 in list | prepare) [ -z "${REFARCH_SOURCE-}" ] || source=/run/refarch-source-postgres ;; esac
[ -z "$source" ] || configuration=$source/pgbackrest.conf
pgbackrest() { as_postgres /usr/bin/pgbackrest --config="$configuration" --stanza=refarch "$@"; }
# A run before this one, whose controller died, may still be at it on the node.
patiently() {
    end=$(($(date +%s) + 600))
    while :; do
        pgbackrest "$@" && return 0
        code=$?
        # 50: somebody else has the lock.
        [ "$code" = 50 ] && [ "$(date +%s)" -lt "$end" ] || return "$code"
        sleep 1
    done
}
leads() { [ "$(as_postgres "$bin/psql" -XAtqc 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; }
in_copy() { as_postgres "$bin/psql" -XAtqv ON_ERROR_STOP=1 -h "$socket" -p 5999 "$@"; }
place() { grep -E '^repo1-(path|s3-endpoint|s3-bucket|storage-port)=' "$configuration" | sha256sum | cut -c 1-64; }
stop_copy() { [ ! -e "$copy/postmaster.pid" ] || as_postgres "$bin/pg_ctl" -s -D "$copy" -m fast -w stop || true; }

start_copy() {
    mkdir -p "$socket"
    chown postgres:postgres "$socket"
    : >"$socket/pg_hba.conf"
    echo 'local all postgres peer' >"$socket/pg_hba.conf"
    : >"$socket/pg_ident.conf"
    # Settings of its own: nobody but this script reaches it, and it may be small.
    cat >"$socket/postgresql.conf" <<END
data_directory = '$copy'
hba_file = '$socket/pg_hba.conf'
ident_file = '$socket/pg_ident.conf'
listen_addresses = ''
unix_socket_directories = '$socket'
port = 5999
hot_standby = off
shared_buffers = 32MB
max_connections = 20
# A copy that is dropped again must leave no trace in the archive.
archive_mode = off
restore_command = '/usr/bin/pgbackrest --config=$configuration --stanza=refarch --pg1-path=$copy archive-get %f "%p"'
log_min_messages = warning
END
    chown postgres:postgres "$socket"/*
    # pg_ctl returns when it is in recovery or has ended; questions are taken when it is its own master, at the target.
    as_postgres "$bin/pg_ctl" -s -D "$copy" -w -t 60 -l "$copy/restore.log" \
        -o "-c config_file=$socket/postgresql.conf" start >/dev/null 2>&1 || true
    end=$(($(date +%s) + 7200))
    until [ "$(in_copy -d postgres -c 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; do
        if ! as_postgres "$bin/pg_ctl" -s -D "$copy" status >/dev/null || [ "$(date +%s)" -ge "$end" ]; then
            echo 'the copy does not come to the wanted state; PostgreSQL says:'
            tail -n 8 "$copy/restore.log"
            return 1
        fi
        sleep 0.3
    done
}

case $1 in
stanza-right)
    leads || exit 0
    [ "$(cat "$marker" 2>/dev/null)" != "$(place)" ] || exit 0
    # Another server may have made it, and led before this one: 2 is a place without backups yet.
    pgbackrest info --output=json | jq -e 'any(.[]; .status.code == 0 or .status.code == 2)' >/dev/null
    ;;
stanza)
    pgbackrest stanza-create
    place >"$marker"
    ;;
backup)
    leads || { echo 'not the leader: nothing to do here'; exit 0; }
    pgbackrest check
    patiently --type="$2" backup
    ;;
list) pgbackrest info --output=json ;;
prepare)
    target=${2-${REFARCH_TARGET-}}
    stop_copy
    rm -rf -- "$copy"
    # What was written until now is archived first, where there is still somebody to do it.
    if [ -z "$source" ] && leads; then
        as_postgres "$bin/psql" -XAtqc 'select pg_switch_wal()' >/dev/null && pgbackrest check
    fi
    need=$(pgbackrest info --output=json | jq '[.[].backup[].info.size] | max // 0')
    free=$(df --output=avail -B1 "$PGROOT" | tail -n 1)
    [ "$free" -gt "$((need + need / 10))" ] || { echo "a copy of $need bytes does not fit: $free bytes are free in $PGROOT"; exit 1; }
    if [ -n "$target" ]; then
        pgbackrest --pg1-path="$copy" --type=time --target="$target" --target-action=promote restore
    else
        pgbackrest --pg1-path="$copy" --type=default restore
    fi
    start_copy
    echo "recovered to timeline $(in_copy -d postgres -c 'select timeline_id from pg_control_checkpoint()')"
    ;;
adopt)
    PGHOST=$socket PGPORT=5999 /usr/local/lib/refarch/postgres-roles make
    [ "$(in_copy -d sandbox -c "select to_regclass('public.projects') is not null")" = t ] || exit 0
    shift
    count=$#
    number=0
    while read -r old; do
        wanted=$((number % count + 1))
        for new in "$@"; do
            wanted=$((wanted - 1))
            [ "$wanted" != 0 ] || break
        done
        # By number first: a name may be one of the old ones.
        printf "update projects set storage = 'adopted:%s' where storage = '%s';\n" "$new" "$old"
        number=$((number + 1))
    done </run/refarch-source-postgres/storages >"$socket/adopt.sql"
    echo "update projects set storage = substr(storage, 9) where storage like 'adopted:%';" >>"$socket/adopt.sql"
    in_copy -d sandbox -1 <"$socket/adopt.sql"
    echo "the data of $REFARCH_SOURCE is this environment's: $number storages onto $count"
    ;;
another) patiently stanza-upgrade ;;
prove)
    # Every table is read and every index compared with it.
    for database in $(in_copy -d postgres -c "select datname from pg_database where datallowconn and datname <> 'template0'"); do
        in_copy -d "$database" -c 'create extension if not exists amcheck' >/dev/null
        as_postgres "$bin/pg_amcheck" --host="$socket" --port=5999 --database="$database" --heapallindexed || {
            echo "damage in $database"
            exit 1
        }
    done
    tables=$(in_copy -d sandbox -c "select count(*) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
    stop_copy
    as_postgres "$bin/pg_checksums" --check -D "$copy" | grep -q '^Bad checksums: *0$' || { echo 'pages with wrong checksums'; exit 1; }
    echo "restored and read: $tables tables, every page's checksum good"
    ;;
drop)
    stop_copy
    rm -rf -- "$copy" "$socket"
    ;;
swap)
    # Done already, if a run before this one was interrupted after it.
    [ -e "$copy/PG_VERSION" ] || { [ -e "$live/PG_VERSION" ] && exit 0; }
    stop_copy
    # Where the copy came from, and what it was to become, does not concern it any more.
    sed -i '/^# Recovery settings generated by pgBackRest/d; /^restore_command/d; /^recovery_target/d' "$copy/postgresql.auto.conf"
    rm -f -- "$copy/recovery.signal" "$copy/standby.signal" "$copy/restore.log"
    # The archive must know the new timeline, or a later restore would take its number again.
    for history in "$copy"/pg_wal/*.history; do
        [ ! -e "$history" ] || as_postgres touch "$copy/pg_wal/archive_status/${history##*/}.ready"
    done
    [ ! -e "$live/postmaster.pid" ] || { echo 'the live server still runs'; exit 1; }
    if [ -e "$live" ]; then
        rm -rf -- "$live.before-restore"
        mv -T -- "$live" "$live.before-restore"
    fi
    mv -T -- "$copy" "$live"
    rm -rf -- "$socket"
    ;;
esac
