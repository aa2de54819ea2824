#!/bin/sh
# Backups of the repositories by git and restic, and the way back. Run as root.
#   backup          a bundle of each repository that changed, and all bundles into the object storage
#   list            what there is, as restic's JSON
#   prepare [TIME]  all repositories as they were backed up last before TIME, beside the live ones
#   prove           asks git whether each of them is whole
#   drop            removes them
#   swap            puts them in the live ones' place; those are kept as /srv/git.before-restore
set -eu
umask 027
cd /
. /etc/refarch/backup.env
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION RESTIC_PASSWORD
live=${LIVE:-/srv/git}
copy=${live}.restored
stage=/var/lib/refarch/repository-backup
node=$(hostname)

restic() { /usr/bin/restic --quiet --no-cache ${CA_FILE:+--cacert "$CA_FILE"} -r "s3:https://$ENDPOINT/$BUCKET$PREFIX/repositories" "$@"; }
as_git() { runuser -u git -- env HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 git -c safe.directory='*' "$@"; }
each() { find "$1" -mindepth 3 -maxdepth 3 -name "$2" -printf '%P\n' 2>/dev/null | sort; }

case $1 in
backup)
    restic cat config >/dev/null 2>&1 || restic init || restic cat config >/dev/null
    mkdir -p "$stage"
    count=0
    for path in $(each "$live" '*.git'); do
        mkdir -p "$stage/${path%/*}"
        # A repository that changes meanwhile: the bundle holds what its references said when it began.
        now=$(as_git -C "$live/$path" for-each-ref | sha256sum | cut -c 1-64)
        count=$((count + 1))
        [ "$(cat "$stage/$path.refs" 2>/dev/null)" != "$now" ] || continue
        if [ -n "$(as_git -C "$live/$path" for-each-ref --count=1)" ]; then
            as_git -C "$live/$path" bundle create --quiet - --all >"$stage/$path.new"
            mv -f "$stage/$path.new" "$stage/$path.bundle"
        else
            : >"$stage/$path.bundle"
        fi
        echo "$now" >"$stage/$path.refs"
    done
    for path in $(each "$stage" '*.git.bundle'); do
        [ -d "$live/${path%.bundle}" ] || rm -f -- "$stage/$path" "$stage/${path%.bundle}.refs"
    done
    restic backup --host "$node" --tag repositories "$stage"
    restic forget --host "$node" --tag repositories --keep-within "${KEEP_DAYS}d" --prune
    echo "$count repositories"
    ;;
list) restic snapshots --host "$node" --tag repositories --json ;;
prepare)
    target=${2-${REFARCH_TARGET-}}
    limit=$(date -d "${target:-now}" +%s)
    rm -rf -- "$copy" "$stage.restored"
    chosen=
    list=$(restic snapshots --host "$node" --tag repositories --json)
    for entry in $(echo "$list" | jq -r 'sort_by(.time) | .[] | "\(.time)/\(.id)"'); do
        [ "$(date -d "${entry%/*}" +%s)" -gt "$limit" ] || chosen=$entry
    done
    [ -n "$chosen" ] || { echo "no backup of the repositories of $node is as old as ${target:-now}"; exit 1; }
    restic restore "${chosen##*/}" --target "$stage.restored"
    mkdir -p "$copy"
    chown git:git "$copy"
    chmod 0750 "$copy"
    from=$stage.restored$stage
    # git reads bundles as the user whose repositories they become.
    chown -R git:git "$stage.restored"
    count=0
    for path in $(each "$from" '*.git.bundle'); do
        place=$copy/${path%.bundle}
        runuser -u git -- mkdir -p "${place%/*}"
        if [ -s "$from/$path" ]; then
            as_git init --quiet --bare --initial-branch=main "$place"
            as_git -C "$place" fetch --quiet "$from/$path" '+refs/*:refs/*'
        else
            as_git init --quiet --bare --initial-branch=main "$place"
        fi
        count=$((count + 1))
    done
    rm -rf -- "$stage.restored"
    echo "$count repositories as of ${chosen%/*}"
    ;;
prove)
    count=0
    for path in $(each "$copy" '*.git'); do
        said=$(as_git -C "$copy/$path" fsck --full --no-dangling --no-progress 2>&1) || {
            printf '%s\n' "$said" | tail -n 5
            echo "$path is damaged"
            exit 1
        }
        count=$((count + 1))
    done
    echo "restored and read: $count repositories, each whole"
    ;;
drop) rm -rf -- "$copy" "$stage.restored" ;;
swap)
    [ -d "$copy" ] || exit 0
    rm -rf -- "$live.before-restore"
    mkdir "$live.before-restore"
    # The folder itself stays: services have it mounted.
    find "$live" -mindepth 1 -maxdepth 1 -exec mv -t "$live.before-restore" -- {} +
    find "$copy" -mindepth 1 -maxdepth 1 -exec mv -t "$live" -- {} +
    rmdir "$copy"
    ;;
esac
