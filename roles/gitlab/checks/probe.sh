# Works as users do, until nobody listens: the sign-in page and what git asks first, and beside it pushes to a project of
# its own and clones of it, in turns over the balancers.
url={{ environment.external_url | quote_sh }}
git=/opt/gitlab/embedded/bin/git
work=$(mktemp -d)
# A resumed upgrade has a probe of its own, while the one before it may still be tidying up.
project=refarch-probe-$(date +%s)
exec 9>/run/refarch-probe
{% set own_authority = environment.external_url is startingwith('https') and all_settings['haproxy-external'].tls == 'environment' %}
{% set address = environment.external_url | replace('https://', '') | replace('http://', '') %}
# The token is never an argument.
(umask 077 && printf '%s' {{ secrets.probe_token | quote_sh }} >"$work/token" && printf 'PRIVATE-TOKEN: %s\n' {{ secrets.probe_token | quote_sh }} >"$work/header")

api() { # method, path, more
    method=$1 path=$2
    shift 2
    curl -sm 30 {{ '--cacert /etc/refarch/ca.crt ' if own_authority }}-H "@$work/header" -X "$method" ${balancer:+--connect-to "::$balancer:"} "$@" "$url/api/v4/$path"
}

leave() {
    trap '' HUP INT TERM PIPE
    [ -z "${pusher:-}" ] || { kill "$pusher"; wait "$pusher"; } 2>/dev/null
    if [ -e "$work/project" ]; then
        id=$(cat "$work/project")
        for balancer in {{ by_role['haproxy-external'] | map(attribute='address') | join(' ') or "''" }}; do
            # The first marks it, the second removes it at once; then the token ends itself.
            api DELETE "projects/$id" && full=$(api GET "projects/$id" | jq -r '.path_with_namespace // empty') &&
                api DELETE "projects/$id" -G -d permanently_remove=true --data-urlencode "full_path=$full" &&
                api DELETE personal_access_tokens/self && break
        done
    fi >/dev/null 2>&1
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 0' HUP INT TERM PIPE

ask() { # balancer, path, what
    begin=$(date +%s%3N)
    code=$(curl -sm 30 {{ '--cacert /etc/refarch/ca.crt ' if own_authority }}-o /dev/null -w '%{http_code}' ${1:+--connect-to "::$1:"} "$url$2")
    took=$(($(date +%s%3N) - begin))
    case $code in
    2?? | 3?? | 401) echo "ok $took $3" ;;
    000) echo "failed $took $3 at ${1:-the external URL}: no answer" ;;
    *) echo "failed $took $3 at ${1:-the external URL}: $code" ;;
    esac || exit 0
}

# One call into the console makes the token; it ends by itself after two days, should nobody end it before.
account() {
    gitlab-rails runner "
        tokens = User.find_by_username('root').personal_access_tokens # refarch-probe
        token = tokens.find_by(name: 'refarch-probe') ||
          tokens.create(scopes: %w[api write_repository], name: 'refarch-probe', expires_at: 2.days.from_now)
        token.assign_attributes(revoked: false, expires_at: 2.days.from_now)
        token.set_token(\$stdin.read.strip)
        token.save!" <"$work/token" >/dev/null 2>"$work/said" || return 1
    balancer=$1
    api POST projects -d "name=$project" -d visibility=private >/dev/null
    id=$(api GET "projects/root%2F$project" | jq -r '.id // empty') && [ -n "$id" ] && echo "$id" >"$work/project"
}

with_git() { # balancer, git's arguments
    at=$1
    shift
    # What asks for the password reads it from the file.
    timeout 60 env GIT_TERMINAL_PROMPT=0 HOME="$work" "$git" {{ '-c http.sslCAInfo=/etc/refarch/ca.crt ' if own_authority }}\
        -c credential.helper="!f() { echo username=root; echo password=\$(cat '$work/token'); }; f" \
        ${at:+-c "http.curloptResolve={{ environment.domain }}:{{ address.split(':')[1] if ':' in address else 443 if environment.external_url is startingwith('https') else 80 }}:$at"} \
        -c user.name=refarch -c user.email=refarch@{{ environment.domain }} "$@"
}

told() { # whether it went well, when it began, what, balancer
    took=$(($(date +%s%3N) - $2))
    if [ "$1" = 0 ]; then echo "ok $took $3"; else
        echo "failed $took $3 at ${4:-the external URL}: $(grep -m 1 -E '^( !|error|fatal|remote:)' "$work/said" || tail -n 1 "$work/said")"
    fi || exit 0
}

push() {
    mine=$work/mine theirs=$work/theirs
    tries=0
    # They share the token, so one begins when the other has ended it.
    flock -w 180 9
    # At a resumed upgrade the console may have to wait for this node.
    until account {{ (by_role['haproxy-external'] | map(attribute='address') | first) if by_role['haproxy-external'] else "''" }}; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || { echo "failed 0 push: no project for it could be made: $(tail -n 1 "$work/said")"; return; }
        sleep 15
    done
    with_git '' init -q -b probe "$mine"
    number=0
    while :; do
        for balancer in {{ by_role['haproxy-external'] | map(attribute='address') | join(' ') or "''" }}; do
            number=$((number + 1))
            echo "$number" >"$mine/number"
            with_git '' -C "$mine" add number
            with_git '' -C "$mine" commit -qm "$number"
            begin=$(date +%s%3N)
            with_git "$balancer" -C "$mine" push -q "$url/root/$project.git" HEAD:refs/heads/probe >"$work/said" 2>&1
            told $? "$begin" push "$balancer"
            begin=$(date +%s%3N)
            rm -rf "$theirs"
            with_git "$balancer" clone -q --depth 1 -b probe "$url/root/$project.git" "$theirs" >"$work/said" 2>&1 &&
                { [ "$(cat "$theirs/number")" = "$number" ] || { echo "not what was pushed" >"$work/said"; false; }; }
            told $? "$begin" clone "$balancer"
            sleep 0.5
        done
    done
}
push &
pusher=$!

while :; do
    for balancer in {{ by_role['haproxy-external'] | map(attribute='address') | join(' ') or "''" }}; do
        ask "$balancer" /users/sign_in 'sign-in page'
        # Without a login the answer is 401, from the same code that answers one.
        ask "$balancer" '/refarch/probe.git/info/refs?service=git-upload-pack' 'git'
        sleep 0.1
    done
done
