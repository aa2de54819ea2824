#!/bin/sh
# What refarch asks of Redis and Sentinel on this machine. Passwords go by the environment, never by argument.
#   joined | join    are the state files there; make them, following the primary that the other Sentinels know
#   ready            primary, or replica whose link is up
#   quorum           enough Sentinels agree on the primary
#   tuned | tune     settings that Sentinel keeps itself
#   leave            hands over what it leads, then stops for good
#   forget           members that left
#   role             primary or replica
#   primary          succeeds on the primary
#   primary-address  where Sentinel says the primary is
#   reload           passwords and rights as the files say, for Redis that runs; nobody who is logged in notices
#   reload-sentinel  the same for Sentinel
#   cli ARGUMENTS    redis-cli as the administrator
set -eu
. /etc/refarch/redis.env

cli() { REDISCLI_AUTH=$ADMIN_PASSWORD timeout 5 redis-cli --no-auth-warning --user admin -h 127.0.0.1 -p "$PORT" "$@"; }
sentinel_of() {
    host=$1
    shift
    REDISCLI_AUTH=$SENTINEL_PASSWORD timeout 2 redis-cli --no-auth-warning -h "$host" -p "$SENTINEL_PORT" sentinel "$@" 2>/dev/null
}
role() { cli info replication | tr -d '\r' | sed -n 's/^role:master/primary/p; s/^role:slave/replica/p'; }
# A file of Redis' own: its user must be able to replace it, nobody else to read it.
state() { (umask 077 && cat >"$1.new") && chown redis:redis "$1.new" && mv "$1.new" "$1"; }

# Commands for the Sentinel here, a line each, with a password that it takes: the one in use, or while that is
# changed the one that it was told last.
sentinel_in_words() {
    words=$(cat)
    for password in "$SENTINEL_PASSWORD" "$(sed -n 's/^sentinel auth-pass [^ ]* //p' /etc/redis/sentinel-state.conf | tail -n 1)"; do
        export REDISCLI_AUTH=$password
        if timeout 5 redis-cli --no-auth-warning -p "$SENTINEL_PORT" ping 2>/dev/null | grep -qx PONG; then
            printf '%s\n' "$words" | timeout 5 redis-cli --no-auth-warning -p "$SENTINEL_PORT"
            return
        fi
    done
    echo 'Sentinel takes none of the passwords known here'
}
# Every answer is OK, and there is one.
all_ok() {
    answers=$(grep . || true)
    printf '%s\n' "$answers" | grep -vx OK && exit 1
    [ -n "$answers" ]
}

# The primary that a majority of the other Sentinels names.
known_primary() {
    for member in $MEMBERS; do
        [ "$member" = "$ADDRESS" ] || sentinel_of "$member" get-master-addr-by-name "$NAME" | head -n 1 | grep -E '^[0-9.]+$' || true
    done | sort | uniq -c | awk -v quorum="$QUORUM" '$1 + 1 >= quorum { print $2; exit }'
}

settings() {
    printf '%s\n' "down-after-milliseconds $DOWN_AFTER" "failover-timeout $FAILOVER_TIMEOUT" "parallel-syncs 1" "quorum $QUORUM"
}

case $1 in
joined)
    [ -s /etc/redis/state.conf ] && { [ -z "$SENTINEL_PORT" ] || [ -s /etc/redis/sentinel-state.conf ]; }
    ;;
join)
    primary=$FIRST
    if [ -n "$SENTINEL_PORT" ]; then
        known=$(known_primary)
        primary=${known:-$FIRST}
    fi
    if [ "$primary" = "$ADDRESS" ]; then
        printf '# Redis writes this file itself.\n' | state /etc/redis/state.conf
    else
        printf '# Redis writes this file itself.\nreplicaof %s %s\n' "$primary" "$PORT" | state /etc/redis/state.conf
    fi
    [ -n "$SENTINEL_PORT" ] || exit 0
    {
        echo '# Sentinel writes this file itself.'
        echo "sentinel monitor $NAME $primary $PORT $QUORUM"
        echo "sentinel auth-user $NAME sentinel"
        echo "sentinel auth-pass $NAME $SENTINEL_PASSWORD"
        settings | grep -v '^quorum' | while read -r key value; do echo "sentinel $key $NAME $value"; done
    } | state /etc/redis/sentinel-state.conf
    ;;
ready)
    state=$(cli info replication | tr -d '\r')
    echo "$state" | grep -qx 'role:master' || echo "$state" | grep -qx 'master_link_status:up'
    ;;
quorum)
    sentinel_of 127.0.0.1 ckquorum "$NAME" | grep -q '^OK'
    # All members known as replicas, not only enough of them: else a failover may have nobody to choose.
    members=$(echo "$MEMBERS" | wc -w)
    [ "$(sentinel_of 127.0.0.1 replicas "$NAME" | grep -cx runid)" -ge "$((members / 2))" ]
    ;;
tuned)
    present=$(sentinel_of 127.0.0.1 master "$NAME" | paste -d ' ' - -)
    settings | while read -r line; do echo "$present" | grep -qxF "$line" || exit 1; done
    ;;
tune)
    settings | while read -r key value; do sentinel_of 127.0.0.1 set "$NAME" "$key" "$value" | grep -qx OK || exit 1; done
    ;;
leave)
    systemctl is-active --quiet redis-server || exit 0
    if [ "$(role)" = primary ]; then
        sentinel_of 127.0.0.1 failover "$NAME" | grep -qx OK
        end=$(($(date +%s) + 60))
        until [ "$(role)" = replica ]; do
            [ "$(date +%s)" -lt "$end" ] || { echo "no other node took over within 60 s"; exit 1; }
            sleep 0.5
        done
    fi
    systemctl mask --runtime redis-sentinel redis-server >/dev/null 2>&1
    systemctl stop redis-sentinel redis-server
    ;;
forget)
    # A Sentinel remembers every other one for ever, and counts it; it finds those that are there anew.
    [ -n "$SENTINEL_PORT" ] || exit 0
    sentinel_of 127.0.0.1 reset "$NAME" | grep -qx 1
    end=$(($(date +%s) + 90))
    until "$0" quorum; do
        [ "$(date +%s)" -lt "$end" ] || { echo "the others were not found again within 90 s"; exit 1; }
        sleep 1
    done
    ;;
role) role ;;
primary) [ "$(role)" = primary ] ;;
primary-address) sentinel_of 127.0.0.1 get-master-addr-by-name "$NAME" | head -n 1 ;;
reload)
    {
        while read -r _ name rules; do echo "acl setuser $name reset $rules"; done </etc/redis/users.acl
        sed -n 's/^masterauth /config set masterauth /p' /etc/redis/refarch-auth.conf
    } | cli | all_ok
    ;;
reload-sentinel)
    {
        cat /etc/redis/refarch-sentinel-users
        sed -n 's/^sentinel sentinel-pass /sentinel config set sentinel-pass /p' /etc/redis/refarch-sentinel-auth.conf
        sed -n "s/^sentinel auth-pass $NAME /sentinel set $NAME auth-pass /p" /etc/redis/refarch-sentinel-auth.conf
    } | sentinel_in_words | all_ok
    ;;
cli)
    shift
    cli "$@"
    ;;
esac
