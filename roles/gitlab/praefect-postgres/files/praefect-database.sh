#!/bin/sh
# Praefect's user and database. The password is read from a file by psql itself, so that no list of processes shows it.
set -eu
sql=/etc/refarch/praefect-role.sql
record=/var/lib/refarch/praefect-role
exists() { gitlab-psql -d template1 -Atqc "select 1 from pg_database where datname = 'praefect_production'" | grep -qx 1; }
case $1 in
right) exists && sha256sum <"$sql" | cmp -s - "$record" ;;
make)
    gitlab-psql -d template1 -qv ON_ERROR_STOP=1 <"$sql" >/dev/null
    exists || gitlab-psql -d template1 -qc 'create database praefect_production owner praefect encoding utf8'
    sha256sum <"$sql" >"$record"
    ;;
esac
