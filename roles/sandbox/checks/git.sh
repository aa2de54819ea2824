{% include "/_shared/door.j2" %}
clean() {
    [ -z "${made-}" ] || api "$balancer" DELETE "/api/projects/$name" >/dev/null
    cd / && rm -rf "$work"
}
trap clean EXIT
cd "$work" || exit 1
status=$(api "$balancer" POST /api/projects "{\"name\": \"$name\"}")
[ "$status" = 201 ] || fail "creating a project: $status $(cat "$work/answer" 2>/dev/null)"
made=1
wait_for 200 20 "$balancer" "/api/projects/$name" '.state == "ready"' || fail "the project is not ready after 20 s"
storage=$(jq -r .storage "$work/answer")

# Configuration by a file in our own HOME: no secret among the arguments.
(umask 077 && cat >.gitconfig <<CONFIG
[user]
    name = verify
    email = verify@$domain
[init]
    defaultBranch = main
[http]
    sslCAInfo = /etc/refarch/ca.crt
    curloptResolve = $domain:443:$balancer
[http "https://$domain/$name.git"]
    extraHeader = Authorization: Basic $(printf 'root:%s' {{ secrets.root_token | quote_sh }} | base64 -w 0)
CONFIG
)
git init -q source && cd source || fail "git init"
head -c 300000 /dev/urandom | base64 >large.txt
for number in 1 2 3; do
    echo "line $number $name" >>small.txt
    git add . && git commit -q -m "commit $number" || fail "git commit"
done
pushed=$(git push -q "https://$domain/$name.git" main 2>&1) || fail "git push: $pushed"
sent=$(git rev-parse HEAD)
cd "$work" || exit 1

# Reading needs no token.
sed -i '/extraHeader/d' .gitconfig
cloned=$(git clone -q "https://$domain/$name.git" copy 2>&1) || fail "git clone: $cloned"
received=$(git -C copy rev-parse HEAD)
[ "$sent" = "$received" ] || fail "pushed $sent but cloned $received"
git -C copy fsck --full --strict >/dev/null 2>&1 || fail "the clone is damaged"
cmp -s source/large.txt copy/large.txt || fail "a file came back changed"
refused=$(git -C copy push -q "https://$domain/$name.git" HEAD:refs/heads/other 2>&1 </dev/null) && fail "a push without the token was taken: $refused"
echo "3 commits pushed to $storage and cloned: $(echo "$sent" | cut -c 1-12)"
