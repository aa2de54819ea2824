#!/bin/sh
# restart-cluster first|other: PostgreSQL under Patroni after a restore. The first server leads with what was restored,
# the others copy it. Consul still knows the settings of the cluster; what it knows of the time before is taken out.
set -eu
data=$(printf '%s\n' /var/lib/postgresql/[0-9]* | tail -n 1)/main
version=${data%/main}
bin=/usr/lib/postgresql/${version##*/}/bin
address=$(sed -n 's/^ *listen: \([0-9.]*\):8008$/\1/p' /etc/refarch/postgres/patroni.yml)
kv=http://127.0.0.1:8500/v1/kv/refarch/sandbox
answers() { curl -fsm 2 -o /dev/null "http://$address:8008/$1"; }

case $1 in
first)
    if ! answers primary; then
        for key in leader status optime/leader history failsafe sync failover; do curl -fsSm 10 -X DELETE -o /dev/null "$kv/$key"; done
        # Data of another environment is another cluster's.
        identity=$("$bin/pg_controldata" -D "$data" | sed -n 's/^Database system identifier: *//p')
        printf %s "$identity" | curl -fsSm 10 -X PUT --data-binary @- -o /dev/null "$kv/initialize"
        systemctl start patroni
        until answers primary; do sleep 0.5; done
    fi
    ;;
other)
    if ! answers 'replica?lag=16MB'; then
        systemctl stop patroni
        rm -rf -- "$data"
        systemctl start patroni
        until answers 'replica?lag=16MB'; do sleep 0.5; done
    fi
    ;;
esac
