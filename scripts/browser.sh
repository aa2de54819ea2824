#!/bin/sh
# What tests look at reports with: a browser without windows, and a reader of PDF files. Run as root; idempotent; silent where
# there is nothing to do.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

missing=
has chromium-headless-shell || has chromium || has google-chrome || has chromium-browser || missing=" chromium-headless-shell"
has pdftotext || missing="$missing poppler-utils"
[ -n "$missing" ] || exit 0

# shellcheck disable=SC2086 # a list of words
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" $missing >/dev/null; }
# Ubuntu has no such package.
if ! has apt-get || ! apt-get update -qq || ! install --simulate 2>/dev/null; then
    echo "browser: no package here for$missing: install chromium or google-chrome and poppler-utils yourself" >&2
    exit 0
fi
echo "browser: installing$missing"
install
