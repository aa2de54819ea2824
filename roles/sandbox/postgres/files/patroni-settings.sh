#!/bin/sh
# patroni-settings right|set ADDRESS: compares or makes the settings that Patroni keeps in Consul for the whole cluster.
set -eu
wanted=/etc/refarch/postgres/patroni-dcs.json
url=http://$2:8008

case $1 in
right)
    # Only the leader acts for the cluster.
    curl -fsm 2 -o /dev/null "$url/primary" || exit 0
    # Wanted values laid over the present ones change nothing.
    curl -fsm 5 "$url/config" | jq -e --slurpfile wanted "$wanted" '. == (. * $wanted[0])' >/dev/null
    ;;
set)
    # Passwords are read from a file that only root may read.
    curl -fsSm 10 --netrc-file /etc/refarch/postgres/patroni-rest.netrc -X PATCH --data-binary "@$wanted" \
        -H 'Content-Type: application/json' -o /dev/null "$url/config"
    ;;
esac
