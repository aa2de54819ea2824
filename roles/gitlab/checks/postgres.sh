set -u
{% set patroni = '--cacert /etc/refarch/ca.crt https' if all_settings['linux-package'].internal_tls == 'all' else 'http' %}
leaders=0 streaming=0
for server in {{ by_role.postgres | map(attribute='address') | join(' ') }}; do
    state=$(curl -sm 3 {{ patroni }}://"$server":8008/patroni | jq -r '"\(.role) \(.state)"')
    case $state in
    "master running" | "primary running") leaders=$((leaders + 1)) ;;
    "replica running" | "replica streaming") streaming=$((streaming + 1)) ;;
    *) echo "$server: $state"; exit 1 ;;
    esac
done
echo "$leaders leads, $streaming follow"
[ "$leaders" = 1 ]
