set -u
gitlab-ctl check-config >/dev/null || exit 1
echo "accepted"
