#!/bin/sh
# The user's own files, as /etc/refarch/own-files.json lists them: path, mode, owner, content.
# own-files right|put
set -eu
list=/etc/refarch/own-files.json
count=$(jq length "$list")
number=0
while [ "$number" -lt "$count" ]; do
    field() { jq -r ".[$number].$1" "$list"; }
    path=$(field path) mode=$(field mode) owner=$(field owner)
    [ "${#mode}" = 4 ] || mode=0$mode
    case $1 in
    right)
        jq -j ".[$number].content" "$list" | cmp -s - "$path" || exit 1
        [ "$(stat -c '%04a %U' "$path")" = "$mode $owner" ] || exit 1
        ;;
    put)
        mkdir -p "$(dirname "$path")"
        (umask 077 && jq -j ".[$number].content" "$list" >"$path.refarch")
        chown "$owner" "$path.refarch"
        chmod "$mode" "$path.refarch"
        mv "$path.refarch" "$path"
        ;;
    esac
    number=$((number + 1))
done
