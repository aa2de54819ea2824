{%- set role = node.roles | select('in', ['redis', 'redis-cache', 'redis-persistent']) | first -%}
{%- set members = by_role[role] | length -%}
set -u
fail() { echo "$*"; exit 1; }
redis=/usr/local/lib/refarch/redis
$redis ready || fail "out of step with its primary: $($redis cli info replication 2>&1 | grep -E '^(role|master_link)' | tr -d '\r' | tr '\n' ' ')"
own=$($redis role)
{%- if members > 1 %}
$redis quorum || fail "Sentinel has no quorum or does not know every replica"
primary=$($redis primary-address)
case $own in
primary)
    [ "$primary" = {{ node.address }} ] || fail "calls itself primary, but Sentinel says $primary"
    replicas=$($redis cli info replication | tr -d '\r' | grep -c '^slave[0-9]*:.*state=online')
    [ "$replicas" = {{ members - 1 }} ] || fail "has $replicas replicas in step instead of {{ members - 1 }}"
    echo "primary with $replicas replicas"
    ;;
*)
    following=$($redis cli info replication | tr -d '\r' | sed -n 's/^master_host://p')
    [ "$primary" = "$following" ] || fail "follows $following, but Sentinel says $primary"
    echo "replica of $primary"
    ;;
esac
{%- else %}
echo "$own"
{%- endif %}
