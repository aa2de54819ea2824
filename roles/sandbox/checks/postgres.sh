set -u
fail() { echo "$*"; exit 1; }
cluster=$(curl -fsm 5 http://{{ node.address }}:8008/cluster) || fail "Patroni does not answer on {{ node.name }}"
wanted={{ by_role.postgres | length }}
echo "$cluster" | jq -e --argjson wanted $wanted '
    (.members | length) == $wanted
    and ([.members[] | select(.role == "leader")] | length) == 1
    and all(.members[]; .state == "running" or .state == "streaming")
    and all(.members[] | select(.role != "leader"); (.lag | type) == "number" and .lag < 16777216)
    and ([.members[].timeline] | unique | length) == 1' >/dev/null ||
    fail "$(echo "$cluster" | jq -r '[.members[] | "\(.name): \(.role) \(.state) lag \(.lag // "-") timeline \(.timeline // "-")"] | join("; ")')"
# Patroni's word is one thing, what the leader sees another.
leader=$(echo "$cluster" | jq -r '.members[] | select(.role == "leader").host')
{%- if by_role.postgres | length > 1 %}
streaming=$(curl -fsm 5 "http://$leader:8008/patroni" | jq '[.replication[]? | select(.state == "streaming" and (.usename == "replicator" or .usename == "replicator_b"))] | length')
[ "$streaming" = $((wanted - 1)) ] || fail "the leader $leader sends to $streaming replicas instead of $((wanted - 1))"
{%- endif %}
echo "$(echo "$cluster" | jq -r '.members[] | select(.role == "leader").name') leads, $((wanted - 1)) replicas stream"
