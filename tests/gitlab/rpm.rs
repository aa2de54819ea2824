//! The package script as a RHEL node runs it: real rpm and dnf, a signed repository of doubles, a system below a folder.

use std::{fs, path::PathBuf, process::Command};

use super::place::root;

/// A system that says it is RHEL.
struct Rhel {
    folder: tempfile::TempDir,
}

impl Rhel {
    /// None where this machine has no such tools: `scripts/setup.sh` installs them.
    fn new() -> Option<Self> {
        let there = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
        // dnf works on the system below the folder as root only.
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if !is_root || !["rpm", "rpmbuild", "dnf", "createrepo_c", "gpg"].into_iter().all(there) {
            eprintln!("no rpm, dnf, createrepo_c or gpg here, or not root: not checked");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let output =
            Command::new("sh").arg(root().join("tests/gitlab/rpm-repository.sh")).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap().trim().to_owned()
    }

    fn run(&self, program: &mut Command) -> (bool, String) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let program = program.env("PATH", path).env("HOME", "/home").env("REFARCH_ETC", self.path("etc"));
        let output = program.env("REFARCH_PACKAGE_CONF", self.path("package.conf")).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Runs the package script with these settings.
    fn package(&self, verb: &str, settings: &str) -> (bool, String) {
        let conf = format!(
            "EDITION=ee VERSION=18.11 SOURCE=mirror LOCATION=file://{} FINGERPRINT={} PACKAGE_FINGERPRINT={} \
             HEADER=\n{settings}\n",
            self.path("repository").display(),
            self.text("repository.fpr"),
            self.text("package.fpr"),
        );
        fs::write(self.path("package.conf"), conf).unwrap();
        self.run(Command::new("dash").arg(root().join("roles/gitlab/linux-package/files/package.sh")).arg(verb))
    }

    fn version(&self) -> String {
        self.package("version", "").1
    }
}

#[test]
fn on_rhel_the_wanted_version_comes_from_a_repository_of_the_pinned_keys_and_is_held() {
    let Some(rhel) = Rhel::new() else { return };
    let stranger = rhel.text("stranger.fpr");
    let (good, told) = rhel.package("install", &format!("FINGERPRINT={stranger}"));
    assert!(!good && told.contains(&format!("not {stranger}")) && told.contains("linux-package.signing_key"), "{told}");
    let (good, told) = rhel.package("install", &format!("PACKAGE_FINGERPRINT={stranger}"));
    assert!(!good && told.contains("linux-package.package_signing_key"), "{told}");
    assert_eq!(rhel.version(), "", "nothing was installed");

    // A line is its newest version; an exact one is that.
    let (good, told) = rhel.package("install", "");
    assert!(good, "{told}");
    assert_eq!(rhel.version(), "18.11.3-ee.0.el9");
    assert!(rhel.package("installed", "").0 && rhel.package("installed", "VERSION=18.11.3").0);
    assert!(!rhel.package("installed", "VERSION=18.1").0 && !rhel.package("installed", "VERSION=19.2.1").0);
    let repository = rhel.text("etc/yum.repos.d/refarch-gitlab.repo");
    assert!(repository.contains("repo_gpgcheck=1\ngpgcheck=1\ngpgkey=file://"), "{repository}");

    // Held: an administrator's update leaves it alone, and what was held before stays held.
    let (good, told) = rhel.run(Command::new("dnf").args(["-q", "-y", "upgrade"]));
    assert!(good, "{told}");
    assert_eq!(rhel.version(), "18.11.3-ee.0.el9");
    fs::write(rhel.path("etc/dnf/dnf.conf"), "[main]\nexcludepkgs=kernel*\n").unwrap();
    assert!(!rhel.package("installed", "").0, "no longer held");
    assert!(rhel.package("install", "").0 && rhel.package("installed", "").0);
    assert_eq!(rhel.text("etc/dnf/dnf.conf"), "[main]\nexcludepkgs=kernel* gitlab-ee");

    // Another version only where that is said.
    let (good, told) = rhel.package("install", "VERSION=19.2.1");
    assert!(!good && told.contains("an upgrade has an order of its own"), "{told}");
    let (good, told) = rhel.package("upgrade", "VERSION=19.9");
    assert!(!good && told.contains("there is no gitlab-ee 19.9 in the repository"), "{told}");
    assert!(told.ends_with("19.2.1-ee.0.el9 18.11.3-ee.0.el9 18.11.2-ee.0.el9"), "{told}");
    let (good, told) = rhel.package("upgrade", "VERSION=19.2.1");
    assert!(good, "{told}");
    assert_eq!(rhel.version(), "19.2.1-ee.0.el9");
}

#[test]
fn on_rhel_a_package_whose_signature_is_not_of_the_pinned_key_is_not_installed() {
    let Some(rhel) = Rhel::new() else { return };
    // The repository is signed by its key, and says that packages are signed by another one than they are.
    fs::copy(rhel.path("repository/gpgkey"), rhel.path("repository/package-gpgkey")).unwrap();
    let (good, _) = rhel.package("install", &format!("PACKAGE_FINGERPRINT={}", rhel.text("repository.fpr")));
    assert!(!good);
    assert_eq!(rhel.version(), "");
}

#[test]
fn on_rhel_a_package_file_is_looked_at_before_it_is_installed() {
    let Some(rhel) = Rhel::new() else { return };
    let file = rhel.path("package.rpm");
    fs::copy(rhel.path("repository/noarch/gitlab-ee-18.11.2-ee.0.el9.noarch.rpm"), &file).unwrap();
    let sent = format!("SOURCE=file LOCATION=packages/gitlab-ee.rpm UPLOAD={}", file.display());
    let (good, told) = rhel.package("install", &format!("{sent} VERSION=18.11.3"));
    assert!(!good && told == "packages/gitlab-ee.rpm is version 18.11.2-ee.0.el9, not 18.11.3", "{told}");
    let (good, told) = rhel.package("install", &format!("{sent} VERSION=18.11.2 EDITION=ce"));
    assert!(!good && told == "packages/gitlab-ee.rpm is no package of gitlab-ce for this system", "{told}");
    let (good, told) = rhel.package("install", &format!("{sent} VERSION=18.11.2"));
    assert!(good, "{told}");
    assert!(!file.exists(), "it is removed once it is installed");
    assert!(rhel.package("installed", "VERSION=18.11.2").0);
}

#[test]
fn systems_that_the_vendor_has_no_packages_for_are_named() {
    let Some(rhel) = Rhel::new() else { return };
    for (release, name) in [("ID=rhel\nVERSION_ID=7.9", "rhel 7.9"), ("ID=amzn\nVERSION_ID=2", "amzn 2")] {
        fs::write(rhel.path("etc/os-release"), release).unwrap();
        let (good, told) = rhel.package("install", "");
        assert!(!good && told.starts_with(&format!("{name} is not supported: ")), "{told}");
    }
}
