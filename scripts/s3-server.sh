#!/bin/sh
# s3-server.sh ADDRESS:PORT CERTIFICATE KEY: an S3-compatible server for tests, in memory, over TLS, until it is ended.
# moto from PyPI behind gunicorn: moto's own server ends TLS connections in a way that pgBackRest takes for an error.
# The first time installs both into a folder of their own below the cache.
set -eu
cache=${REFARCH_CACHE:-$HOME/.cache/refarch}/s3-server
if [ ! -e "$cache/ready" ]; then
    rm -rf "$cache"
    mkdir -p "$cache"
    python3 -m venv "$cache" >&2
    "$cache/bin/pip" install -q --disable-pip-version-check 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5 gunicorn==27.0.1 >&2
    printf 'from moto.server import DomainDispatcherApplication, create_backend_app\napp = DomainDispatcherApplication(create_backend_app)\n' >"$cache/s3app.py"
    : >"$cache/ready"
fi
[ $# -gt 0 ] || exit 0
cd "$cache"
exec bin/gunicorn --bind "$1" --certfile "$2" --keyfile "$3" --threads 8 --keep-alive 30 --log-level warning s3app:app
