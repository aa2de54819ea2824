#!/bin/sh
# The package's client with this node's password, which is never an argument.
REDISCLI_AUTH=$(cat /etc/refarch/redis-password)
export REDISCLI_AUTH
if [ -S /var/opt/gitlab/redis/redis.socket ]; then
    unset REDISCLI_AUTH
    exec /opt/gitlab/embedded/bin/redis-cli -s /var/opt/gitlab/redis/redis.socket "$@"
fi
exec /opt/gitlab/embedded/bin/redis-cli -h 127.0.0.1 "$@"
