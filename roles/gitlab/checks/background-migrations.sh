set -u
# States of batched_background_migrations: 3 finished, 6 finalized.
gitlab-psql -d template1 -Atqc 'select pg_is_in_recovery()' | grep -qx t && { echo "a replica: the leader is asked"; exit 0; }
left=$(gitlab-psql -d gitlabhq_production -Atqc 'select count(*) from batched_background_migrations where status not in (3, 6)') || exit 1
echo "$left unfinished"
[ "$left" = 0 ]
