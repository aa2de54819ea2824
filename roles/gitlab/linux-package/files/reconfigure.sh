#!/bin/sh
# gitlab-ctl reconfigure, when what it reads is not what it read last.
# reconfigure done|run|serving
set -eu
record=/var/lib/refarch/gitlab-reconfigured
what() {
    # The leader file is there only while the schema is made.
    cat /etc/gitlab/gitlab.rb /etc/gitlab/leader.rb /etc/refarch/gitlab-secrets.json /etc/gitlab/ssl/* /etc/gitlab/trusted-certs/*.crt \
        /etc/refarch/own-after \
        2>/dev/null | sha256sum
    /usr/local/lib/refarch/package version || true
}
case $1 in
done) [ "$(cat "$record" 2>/dev/null)" = "$(what)" ] ;;
# Something that runs already would be interrupted.
serving) [ -s "$record" ] ;;
run)
    now=$(what)
    new=
    [ ! -s "$record" ] || [ "$(tail -n 1 "$record")" = "$(echo "$now" | tail -n 1)" ] || new=yes
    log=/var/log/refarch-reconfigure.log
    if ! gitlab-ctl reconfigure >"$log" 2>&1; then
        # What a person needs of the thousands of lines.
        grep -E -i -A12 'error|fatal|removed config' "$log" | tail -n 40 >&2 || tail -n 20 "$log" >&2
        echo "the whole output: $log" >&2
        exit 1
    fi
    # New code serves once it is started; Gitaly and Praefect take it up themselves, without dropping requests.
    if [ -n "$new" ]; then
        for service in /opt/gitlab/service/*; do
            case ${service##*/} in gitaly | praefect | '*') ;; *) gitlab-ctl restart "${service##*/}" >>"$log" 2>&1 ;; esac
        done
    fi
    [ ! -e /etc/refarch/own-after ] || sh /etc/refarch/own-after || { echo "the own script after it failed" >&2; exit 1; }
    echo "$now" >"$record"
    ;;
esac
