set -u
target=$(gitlab-ctl get-postgresql-primary 2>/dev/null | sed 's/:.*//')
grep -q "host=$target " /var/opt/gitlab/pgbouncer/databases.ini || { echo "does not go to $target"; exit 1; }
echo "goes to $target"
