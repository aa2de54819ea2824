set -u
api=http://127.0.0.1:8500/v1
curl -fsm 3 "$api/status/leader" | grep -q :8300 || { echo "no leader"; exit 1; }
voters=$(curl -fsm 3 "$api/operator/raft/configuration" | jq '[.Servers[] | select(.Voter)] | length')
lost=$(curl -fsm 3 "$api/agent/members" | jq -r '[.[] | select(.Status != 1) | .Name] | join(" ")')
[ -z "$lost" ] || { echo "lost: $lost"; exit 1; }
echo "$voters vote"
[ "$voters" = {{ by_role.consul | length }} ]
