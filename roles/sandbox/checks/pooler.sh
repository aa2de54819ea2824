set -u
fail() { echo "$*"; exit 1; }
psql=$(printf '%s\n' /usr/lib/postgresql/*/bin/psql | tail -n 1)
leader=$(PGPASSFILE=/etc/refarch/pgbouncer.pgpass PGCONNECT_TIMEOUT=5 "$psql" -XAtqw -h {{ node.address }} -p 6432 -U {{ ['sandbox', 'sandbox_b'][slot('postgres_app')] }} \
    -d sandbox -c "select host(inet_server_addr()) || case when pg_is_in_recovery() then ' replica' else '' end" 2>&1) || fail "$leader"
case $leader in
*replica) fail "goes to $leader" ;;
esac
echo "goes to $leader"
