#!/bin/sh
# Starts the fake Azure of the tests, after making what it needs: the virtual environment with the vendor's packages, and
# the file of their models. It ends when its standard input does.
#
#     scripts/azure-fake.sh            start
#     scripts/azure-fake.sh check      the vendor's own clients against it
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
fake=$here/tests/support/azure_fake
venv=$("$here/scripts/emulators.sh" "$fake/requirements.txt")
models=$venv/models-$(cat "$fake/vendor_models.py" "$fake"/kinds/*.py | sha256sum | cut -c1-16).json
if ! [ -e "$models" ]; then
    # Under a name of its own first: several tests may come here at once.
    (cd "$fake" && PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" vendor_models.py "$models.$$")
    mv "$models.$$" "$models"
fi
export PYTHONDONTWRITEBYTECODE=1
case ${1:-} in
check) cd "$fake" && exec "$venv/bin/python" -W ignore::ResourceWarning vendor_sdk_test.py "$models" ;;
*) exec "$venv/bin/python" "$fake/server.py" --models "$models" "$@" ;;
esac
