#!/bin/sh
# Builds the double: build.sh VERSION FILE, such as build.sh 18.11.3 gitlab-ee_18.11.3.deb
set -eu
version=$1
file=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
cache=${REFARCH_CACHE:-$HOME/.cache/refarch}/ruby
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Ruby and git, and what of them the nodes' base system lacks; fetched once for all builds.
if [ ! -e "$cache/with-git" ]; then
    mkdir -p "$cache.new"
    (cd "$cache.new" && apt-get download -q ruby3.1 libruby3.1 libgmp10 git libcurl3-gnutls >/dev/null && touch with-git) || {
        echo "ruby and git cannot be fetched from the package mirror: apt-get update" >&2
        exit 1
    }
    rm -rf "$cache"
    mv "$cache.new" "$cache"
fi
root=$work/root
mkdir -p "$root/opt/gitlab/embedded" "$root/opt/gitlab/bin" "$root/opt/gitlab/embedded/bin" "$root/usr/bin" "$root/DEBIAN"
for package in "$cache"/*.deb; do
    dpkg-deb -x "$package" "$root/opt/gitlab/embedded/ruby"
done
rm -rf "$root/opt/gitlab/embedded/ruby/usr/share"
# Of git's many programs, those that push, clone and serve.
find "$root/opt/gitlab/embedded/ruby/usr/lib/git-core" -mindepth 1 ! -name git ! -name git-http-backend ! -name git-remote-http \
    ! -name git-remote-https -delete
cp "$here/git.sh" "$root/opt/gitlab/embedded/bin/git"
chmod 0755 "$root/opt/gitlab/embedded/bin/git"
cp "$here/double.rb" "$here/gitlab_rb.rb" "$here/servers.rb" "$here/ruby.sh" "$root/opt/gitlab/embedded/"
cp "$here/../../roles/gitlab/gitlab-rb.json" "$root/opt/gitlab/embedded/"
mkdir -p "$root/opt/gitlab/embedded/service/gitlab-rails"
echo "$version-ee" >"$root/opt/gitlab/embedded/service/gitlab-rails/VERSION"
chmod 0755 "$root/opt/gitlab/embedded/ruby.sh"
for command in gitlab-ctl gitlab-rake gitlab-rails gitlab-psql; do
    ln -s /opt/gitlab/embedded/ruby.sh "$root/usr/bin/$command"
done
for command in redis-cli praefect consul daemon; do
    ln -s /opt/gitlab/embedded/ruby.sh "$root/opt/gitlab/embedded/bin/$command"
done
cat >"$root/DEBIAN/control" <<END
Package: gitlab-ee
Version: $version-ee.0
Architecture: $(dpkg --print-architecture)
Maintainer: refarch tests <nobody@example.invalid>
Description: TEST DOUBLE of the product's package, contains nothing of the product
 For refarch's own tests. Never install it on a machine that somebody needs.
END
sed "s/@VERSION@/$version/" "$here/preinst.sh" >"$root/DEBIAN/preinst"
cp "$here/postinst.sh" "$root/DEBIAN/postinst"
chmod 0755 "$root/DEBIAN/preinst" "$root/DEBIAN/postinst"
dpkg-deb --root-owner-group -Zgzip -z1 -b "$root" "$file" >/dev/null
