#!/bin/sh
# postgres-roles right|make: roles and database of the application, made on the server that leads.
# What was made is remembered in the database itself, so that a replica that takes over knows it as well.
set -eu
sql=/etc/refarch/postgres/roles.sql
psql=$(printf '%s\n' /usr/lib/postgresql/*/bin/psql | tail -n 1)
stamp=$(sha256sum "$sql" | cut -c 1-64)
# From / because postgres may not be allowed to read where we are.
cd /
query() { runuser -u postgres -- "$psql" -XAtq -v ON_ERROR_STOP=1 "$@"; }

case $1 in
right)
    [ "$(query -c 'select pg_is_in_recovery()')" = f ] || exit 0
    found=$(query -c "select shobj_description(oid, 'pg_database') from pg_database where datname = 'sandbox'")
    [ "$found" = "refarch $stamp" ]
    ;;
make)
    query -v stamp="refarch $stamp" <"$sql" >/dev/null
    ;;
esac
