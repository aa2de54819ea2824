#!/bin/sh
# patroni-leave NAME ADDRESS: hands over what this server leads, then leaves the cluster for good.
set -eu
url=http://$2:8008
systemctl is-active --quiet patroni || exit 0
if curl -fsm 5 -o /dev/null "$url/primary"; then
    # Passwords are read from a file that only root may read.
    curl -fsSm 60 --netrc-file /etc/refarch/postgres/patroni-rest.netrc -X POST -H 'Content-Type: application/json' \
        --data "{\"leader\": \"$1\"}" "$url/switchover"
    echo
fi
end=$(($(date +%s) + 60))
until curl -fsm 5 "$url/cluster" | jq -e --arg own "$1" '.members | any(.role == "leader" and .state == "running" and .name != $own)' >/dev/null; do
    [ "$(date +%s)" -lt "$end" ] || { echo "no other server leads after 60 s"; exit 1; }
    sleep 0.5
done
systemctl mask --runtime patroni >/dev/null 2>&1
systemctl stop patroni
