#!/bin/sh
# secrets-backup put: the environment's secrets, encrypted for its users' identity, from standard input into the object
# storage: `secrets/latest.age`, and one with its time in its name. Keys go by a file, never by an argument.
set -eu
umask 077
. /etc/refarch/backup.env
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/secrets.age"
grep -q '^-----BEGIN AGE ENCRYPTED FILE-----' "$work/secrets.age" || { echo 'what came is not encrypted: nothing was sent'; exit 1; }
printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >"$work/login"
for name in "$(date -u +%Y%m%dT%H%M%SZ)" latest; do
    curl -fsS -m 60 -K "$work/login" --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" ${CA_FILE:+--cacert "$CA_FILE"} \
        -X PUT --data-binary "@$work/secrets.age" -H 'Content-Type: application/octet-stream' -o /dev/null \
        "https://$ENDPOINT/$BUCKET$PREFIX/secrets/$name.age"
done
echo 'secrets sent, encrypted'
