set -u
for balancer in {{ by_role['haproxy-external'] | map(attribute='address') | join(' ') }}; do
    status=$(curl -sm 20 {% if environment.external_url is startingwith('https') %}{% if all_settings['haproxy-external'].tls == 'environment' %}--cacert /etc/refarch/ca.crt {% endif %}{% endif %}-o /dev/null -w '%{http_code}' --connect-to "::$balancer:" {{ (environment.external_url ~ '/-/readiness?all=1') | quote_sh }})
    [ "$status" = 200 ] || { echo "$balancer answers $status"; exit 1; }
done
echo "ready"
