set -u
fail() { echo "$*"; exit 1; }
targets=$(curl -fsm 5 'http://{{ node.address }}:9090/api/v1/targets?state=active') || fail "Prometheus does not answer"
wanted=$(grep -c '^ *- targets:' /etc/prometheus/prometheus.yml)
found=$(echo "$targets" | jq '.data.activeTargets | length')
bad=$(echo "$targets" | jq -r '.data.activeTargets[] | select(.health != "up") | "\(.labels.job)/\(.labels.node): \(.lastError)"')
[ -z "$bad" ] || fail "$(echo "$bad" | wc -l) of $found targets down: $(echo "$bad" | head -n 3 | tr '\n' ';')"
[ "$found" = "$wanted" ] || fail "$found targets instead of $wanted"
echo "all $found targets up"
