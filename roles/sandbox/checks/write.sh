set -u
fail() { echo "$*"; exit 1; }
export PGPASSFILE=/etc/refarch/app.pgpass PGCONNECT_TIMEOUT=5 PGUSER={{ ['sandbox', 'sandbox_b'][slot('postgres_app')] }} PGDATABASE=sandbox
psql=$(printf '%s\n' /usr/lib/postgresql/*/bin/psql | tail -n 1)
id=$(cat /proc/sys/kernel/random/uuid)
ways=
for host in {{ service('database').hosts | join(' ') }}; do
    query() { "$psql" -XAtqw -v ON_ERROR_STOP=1 -h "$host" -p {{ service('database').port }} "$@" 2>&1; }
    # Server and write in one transaction: the pooler gives the next one another connection.
    leader=$(query <<SQL
begin;
insert into writes (id, value, node) values ('$id', 'verify', '{{ node.name }}');
select host(inet_server_addr()) || case when pg_is_in_recovery() then ' (a replica)' else '' end;
commit;
SQL
    ) || fail "writing through $host: $leader"
    read=$(query -c "select value from writes where id = '$id'") || fail "reading through $host: $read"
    gone=$(query -c "delete from writes where id = '$id' returning value") || fail "deleting through $host: $gone"
    [ "$read" = verify ] && [ "$gone" = verify ] || fail "the row written through $host is not there: '$read' '$gone'"
    ways="$ways $host -> $leader"
done
echo "written and read back:$ways"
