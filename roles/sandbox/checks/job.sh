{% include "/_shared/door.j2" %}
clean() {
    [ -z "${made-}" ] || api "$balancer" DELETE "/api/projects/$name" >/dev/null
    rm -rf "$work"
}
trap clean EXIT
started=$(date +%s%N)
status=$(api "$balancer" POST /api/projects "{\"name\": \"$name\"}")
[ "$status" = 201 ] || fail "creating a project: $status $(cat "$work/answer" 2>/dev/null)"
made=1
wait_for 200 20 "$balancer" "/api/projects/$name" '.state == "ready"' || fail "the project is not ready after 20 s: $(cat "$work/answer")"
ready=$((($(date +%s%N) - started) / 1000000))
storage=$(jq -r .storage "$work/answer")
status=$(api "$balancer" DELETE "/api/projects/$name")
[ "$status" = 202 ] || fail "removing the project: $status $(cat "$work/answer")"
wait_for 404 20 "$balancer" "/api/projects/$name" || fail "the project is not gone after 20 s: $(cat "$work/answer")"
made=
echo "created, made on $storage in $ready ms, removed"
