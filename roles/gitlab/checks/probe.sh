# Asks as users do, until nobody listens: the sign-in page and what git asks first, in turns over the balancers.
url={{ environment.external_url | quote_sh }}
ask() { # balancer, path, what
    begin=$(date +%s%3N)
    code=$(curl -sm 30 {% if environment.external_url is startingwith('https') and all_settings['haproxy-external'].tls == 'environment' %}--cacert /etc/refarch/ca.crt {% endif %}-o /dev/null -w '%{http_code}' ${1:+--connect-to "::$1:"} "$url$2")
    took=$(($(date +%s%3N) - begin))
    case $code in
    2?? | 3?? | 401) echo "ok $took $3" ;;
    000) echo "failed $took $3 at ${1:-the external URL}: no answer" ;;
    *) echo "failed $took $3 at ${1:-the external URL}: $code" ;;
    esac || exit 0
}
while :; do
    for balancer in {{ by_role['haproxy-external'] | map(attribute='address') | join(' ') or "''" }}; do
        ask "$balancer" /users/sign_in 'sign-in page'
        # Without a login the answer is 401, from the same code that answers one.
        ask "$balancer" '/refarch/probe.git/info/refs?service=git-upload-pack' 'git'
        sleep 0.1
    done
done
