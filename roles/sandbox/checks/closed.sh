set -u
open=
probe() { timeout 1 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{%- for role, port in [('consul', 8300), ('consul', 8301), ('postgres', 5432), ('pgbouncer', 6432), ('redis', 6379), ('redis-cache', 6379), ('redis-persistent', 6379), ('gitaly', 8075), ('gitaly', 9418)] %}{% for other in by_role[role] if other.name != node.name %}
{ probe {{ other.address }} {{ port }} && echo "{{ other.name }}:{{ port }}" >"$work/{{ other.name }}-{{ port }}"; } &
{%- endfor %}{% endfor %}
wait
open=$(cat "$work"/* 2>/dev/null | tr '\n' ' ')
[ -z "$open" ] || { echo "open: $open"; exit 1; }
echo "closed as the wiring says"
