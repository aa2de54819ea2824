#!/bin/sh
# storage-drain possible|run STORAGE [OTHER THAT GOES]...: moves the repositories of a storage to those that stay.
cd /
exec runuser -u sandbox -- env SANDBOX_CONFIG=/etc/refarch/sidekiq.json PYTHONPATH=/usr/local/lib/refarch \
    PYTHONDONTWRITEBYTECODE=1 python3 -m sandbox.drain "$@"
