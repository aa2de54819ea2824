#!/bin/sh
# A signed repository of RPM doubles, and rpm and dnf that work on a system below a folder: rpm-repository.sh FOLDER
set -eu
work=$1
export GNUPGHOME=$work/gpg
mkdir -p "$work/etc/dnf" "$work/root" "$work/bin" "$work/repository" "$GNUPGHOME"
chmod 0700 "$GNUPGHOME"
for key in repository package stranger; do
    gpg --batch --quiet --passphrase '' --quick-gen-key "$key <$key@example.invalid>" rsa2048 sign never
    gpg --with-colons --list-keys "$key@example.invalid" | awk -F: '$1 == "fpr" { print $10; exit }' >"$work/$key.fpr"
done
for version in 18.11.2 18.11.3 19.2.1; do
    cat >"$work/double.spec" <<END
Name: gitlab-ee
Version: $version
Release: ee.0.el9
Summary: TEST DOUBLE of the product's package, contains nothing of the product
License: none
BuildArch: noarch
%description
For refarch's own tests.
%files
END
    rpmbuild --quiet --target noarch --define "_topdir $work/build" --define "_rpmdir $work/repository" -bb "$work/double.spec"
done
rpmsign --define '__gpg /usr/bin/gpg' --define '_gpg_name package@example.invalid' --addsign "$work"/repository/noarch/*.rpm
createrepo_c -q "$work/repository"
gpg --batch --quiet --local-user repository@example.invalid --armor --detach-sign "$work/repository/repodata/repomd.xml"
gpg --armor --export repository@example.invalid >"$work/repository/gpgkey"
gpg --armor --export package@example.invalid >"$work/repository/package-gpgkey"

printf '[main]\ngpgcheck=1\n' >"$work/etc/dnf/dnf.conf"
printf 'ID="rhel"\nVERSION_ID="9.4"\n' >"$work/etc/os-release"
# Debian's rpm keeps its database in the user's home.
cat >"$work/bin/rpm" <<END
#!/bin/sh
exec /usr/bin/rpm --dbpath $work/root/home/.rpmdb "\$@"
END
cat >"$work/bin/dnf" <<END
#!/bin/sh
exec /usr/bin/dnf --installroot=$work/root --config=$work/etc/dnf/dnf.conf --setopt=reposdir=$work/etc/yum.repos.d \
    --setopt=cachedir=$work/cache --releasever=9 "\$@"
END
chmod 0755 "$work/bin/rpm" "$work/bin/dnf"
