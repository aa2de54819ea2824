set -u
/opt/gitlab/embedded/bin/praefect -config /var/opt/gitlab/praefect/config.toml dial-nodes >/dev/null 2>&1 ||
    { echo "not every Gitaly node answers"; exit 1; }
echo "reaches all Gitaly nodes"
