set -u
info=$(/usr/local/lib/refarch/redis-cli info replication | tr -d '\r')
role=$(echo "$info" | sed -n 's/^role://p')
case $role in
master) echo "$info" | grep -q "^connected_slaves:{{ (by_role[node.roles | select('in', ['redis', 'redis-cache', 'redis-persistent']) | first] | length) - 1 }}$" ||
    { echo "$info" | grep connected_slaves; exit 1; } ;;
slave) echo "$info" | grep -q '^master_link_status:up' || { echo "lost its primary"; exit 1; } ;;
*) echo "no answer"; exit 1 ;;
esac
echo "$role"
