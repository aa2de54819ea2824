#!/bin/sh
# consul-keys right|set: which keys every member of the gossip takes, and which one it speaks with. Consul's servers tell
# all members. Keys travel in request bodies, never in arguments.
set -eu
wanted=/etc/refarch/consul-keys.json
url=http://127.0.0.1:8500/v1/operator/keyring

installed() { curl -fsSm 10 "$url"; }
# Every member has the wanted keys and no others, and speaks with the one that is in use.
same() {
    jq -e --slurpfile wanted "$wanted" 'all(.[]; .NumNodes as $n
        | (.Keys | keys) == ($wanted[0].accept | sort) and all(.Keys[]; . == $n)
        and .PrimaryKeys == {($wanted[0].use): $n})' >/dev/null
}
send() { jq -n --rawfile key /dev/stdin '{Key: $key}' | curl -fsSm 30 -X "$1" --data-binary @- -o /dev/null "$url"; }

case $1 in
right) installed | same ;;
set)
    jq -r '.accept[]' "$wanted" | while read -r key; do printf %s "$key" | send POST; done
    jq -j .use "$wanted" | send PUT
    installed | jq -r --slurpfile wanted "$wanted" '[.[].Keys | keys[]] | unique - $wanted[0].accept | .[]' |
        while read -r key; do printf %s "$key" | send DELETE; done
    installed | same
    ;;
esac
