#!/bin/sh
# As the real package: versions at which background migrations must end are not jumped over.
set -eu
new=@VERSION@
if [ "$1" = upgrade ]; then
    old=${2%%-*}
    for stop in 18.2 18.5 18.8 18.11 19.2 19.5 19.8 19.11; do
        if dpkg --compare-versions "$old" lt "$stop" && ! dpkg --compare-versions "$new" lt "$stop" &&
            [ "${new%.*}" != "$stop" ]; then
            echo "gitlab-ee: $old cannot become $new: $stop must be installed in between" >&2
            exit 1
        fi
    done
fi
