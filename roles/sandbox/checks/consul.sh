set -u
fail() { echo "$*"; exit 1; }
get() { curl -fsm 5 "http://127.0.0.1:8500/v1/$1"; }
leader=$(get status/leader | jq -r .) && [ -n "$leader" ] || fail "there is no leader"
voters=$(get operator/raft/configuration | jq '[.Servers[] | select(.Voter)] | length')
[ "$voters" = {{ by_role.consul | length }} ] || fail "$voters servers vote instead of {{ by_role.consul | length }}"
members=$(get agent/members)
# 1 is alive, 3 left in order: Consul lists it for a day more.
dead=$(echo "$members" | jq -r '[.[] | select(.Status != 1 and .Status != 3) | .Name] | join(" ")')
[ -z "$dead" ] || fail "not alive: $dead"
alive=$(echo "$members" | jq '[.[] | select(.Status == 1)] | length')
[ "$alive" -ge {{ by_role.consul | length + by_role['consul-agent'] | length }} ] || fail "only $alive members"
echo "leader ${leader%:*}, $voters voters, $alive members alive"
