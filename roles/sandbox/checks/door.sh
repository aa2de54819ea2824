{% include "/_shared/door.j2" %}
trap 'rm -rf "$work"' EXIT
seen=
for balancer in {{ by_role['haproxy-external'] | map(attribute='address') | join(' ') }} {{ all_settings['haproxy-external'].floating_address }}; do
    status=$(api "$balancer" GET /-/readiness)
    [ "$status" = 200 ] || fail "$balancer answers $status: $(head -c 300 "$work/answer" 2>/dev/null)"
    bad=$(jq -r '.checks | to_entries[] | select(.value.status != "ok") | "\(.key): \(.value.detail)"' "$work/answer")
    [ -z "$bad" ] || fail "$(jq -r .node "$work/answer") misses $bad"
    seen="$seen $(jq -r .node "$work/answer")"
    plain=$(curl -s -m 5 -o /dev/null -w '%{http_code} %{redirect_url}' -H "Host: $domain" "http://$balancer/")
    case $plain in
    "308 https://$domain/"*) ;;
    *) fail "$balancer does not send plain HTTP to HTTPS but answers $plain" ;;
    esac
done
echo "served by$seen; everything it needs answers"
