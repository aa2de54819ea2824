#!/bin/sh
# Backups of the repositories by git and restic, and the way back. Run as root.
#   backup          a bundle of each repository that changed, and all bundles into the object storage
#   list            what there is, as restic's JSON
#   prepare [TIME]  all repositories as they were backed up last before TIME, beside the live ones
#   prove           asks git whether each of them is whole
#   drop            removes them
#   swap            puts them in the live ones' place; those are kept as /srv/git.before-restore
# Where REFARCH_SOURCE names another environment, `list` and `prepare` read its backups (/run/refarch-source-gitaly has the
# way to them), and `prepare` takes this node's share of its storages: number REFARCH_PLACE of REFARCH_PLACES, from 0.
set -eu
umask 027
cd /
source=
case $1 in list | prepare) [ -z "${REFARCH_SOURCE-}" ] || source=/run/refarch-source-gitaly ;; esac
if [ -n "$source" ]; then . "$source/backup.env"; else . /etc/refarch/backup.env; fi
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION RESTIC_PASSWORD
live=${LIVE:-/srv/git}
copy=${live}.restored
stage=/var/lib/refarch/repository-backup
node=$(hostname)
# A place for each node: in one for all, two that begin at once would make two keys, and whoever tidies up shuts out the rest.
of=$node

# Nobody is shut out of another environment's backups by a reader that died.
restic() { /usr/bin/restic --quiet --no-cache ${source:+--no-lock} ${CA_FILE:+--cacert "$CA_FILE"} -r "s3:https://$ENDPOINT/$BUCKET$PREFIX/repositories/$of" "$@"; }
as_git() { runuser -u git -- env HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 git -c safe.directory='*' "$@"; }
each() { find "$1" -mindepth 3 -maxdepth 3 -name "$2" -printf '%P\n' 2>/dev/null | sort; }

# take NODE LIMIT: what was backed up of a node last before that second, as repositories of the copy.
take() {
    of=$1
    chosen=
    list=$(restic snapshots --host "$1" --tag repositories --json)
    for entry in $(echo "$list" | jq -r 'sort_by(.time) | .[] | "\(.time)/\(.id)"'); do
        [ "$(date -d "${entry%/*}" +%s)" -gt "$2" ] || chosen=$entry
    done
    [ -n "$chosen" ] || { echo "no backup of the repositories of $1 is as old as ${target:-now}"; exit 1; }
    rm -rf -- "$stage.restored"
    restic restore "${chosen##*/}" --target "$stage.restored"
    from=$stage.restored$stage
    # git reads bundles as the user whose repositories they become.
    chown -R git:git "$stage.restored"
    count=0
    for path in $(each "$from" '*.git.bundle'); do
        place=$copy/${path%.bundle}
        runuser -u git -- mkdir -p "${place%/*}"
        as_git init --quiet --bare --initial-branch=main "$place"
        [ ! -s "$from/$path" ] || as_git -C "$place" fetch --quiet "$from/$path" '+refs/*:refs/*'
        count=$((count + 1))
    done
    rm -rf -- "$stage.restored"
    echo "$count repositories of $1 as of ${chosen%/*}"
}

case $1 in
backup)
    restic cat config >/dev/null 2>&1 || restic init
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
list)
    if [ -n "$source" ]; then
        while read -r of; do restic snapshots --host "$of" --tag repositories --json </dev/null; done <"$source/storages"
    else
        restic snapshots --host "$node" --tag repositories --json
    fi
    ;;
prepare)
    target=${2-${REFARCH_TARGET-}}
    limit=$(date -d "${target:-now}" +%s)
    rm -rf -- "$copy" "$stage.restored"
    mkdir -p "$copy"
    chown git:git "$copy"
    chmod 0750 "$copy"
    if [ -z "$source" ]; then
        take "$node" "$limit"
    else
        number=0
        while read -r other; do
            [ "$((number % REFARCH_PLACES))" != "$REFARCH_PLACE" ] || take "$other" "$limit" </dev/null
            number=$((number + 1))
        done <"$source/storages"
    fi
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
