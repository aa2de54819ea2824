//! Packages out of a bundle, on stand-ins for apt and dpkg: what is sent, what is kept, what is refused.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use super::{
    program::Mode,
    program_tests::Rig,
    resource::{Item, Outcome, Want},
};
use crate::bundle::{Bundle, FORMAT, MadeFor, Manifest, Package, Repository, Writer};

/// Knows the index's few words, and has a package only where its file is there.
const APT_GET: &str = r#"#!/bin/sh
echo "$APT_CONFIG" >"$D/apt-config"
for word in "$@"; do last=$word; done
[ "$last" != update ] || { echo update >>"$D/calls"; exit 0; }
cd "$D/cache/packages" || exit 1
grep -q "^$last " Packages || { echo "E: Unable to locate package $last"; exit 100; }
while read -r name hash size; do
    case "$* " in
    *--print-uris*) echo "'file:$D/cache/packages/./$hash.deb' ${name}_1%3a2_all.deb $size " ;;
    *) [ "$(stat -c %s "$hash.deb")" = "$size" ] || exit 100; echo "install $name" >>"$D/calls"; : >"$D/packages/$name" ;;
    esac
done <Packages
"#;
const DPKG: &str = "#!/bin/sh\ncase $1 in --print-architecture) echo amd64 ;; esac\n";

/// A machine, and a bundle with nginx and what it needs.
struct Scene {
    rig: Rig,
    bundle: Bundle,
}

impl Scene {
    fn new(platform: &str) -> Self {
        let rig = Rig::new();
        for (name, text) in [("apt-get", APT_GET), ("dpkg", DPKG)] {
            let path = rig.path("bin").join(name);
            fs::write(&path, text.replace("$D", &rig.text(""))).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(rig.path("os-release"), "ID=debian\nVERSION_ID=\"12\"\n").unwrap();
        let path = rig.path("all.tar");
        let mut writer = Writer::create(&path).unwrap();
        let mut index = String::new();
        let mut packages = Vec::new();
        for (name, size) in [("libc", 600_000_usize), ("nginx", 1_000_000)] {
            let content: Vec<u8> = (0..size).map(|number| (number % 253) as u8).collect();
            let file = format!("deb/{platform}/{name}.deb");
            writer.text(&file, &content).unwrap();
            index.push_str(&format!("{name} {} {size}\n", super::template::sha256(&content)));
            let (version, architecture) = ("1".to_owned(), "all".to_owned());
            packages.push(Package { name: name.to_owned(), version, architecture, file });
        }
        let member = format!("deb/{platform}/Packages");
        writer.text(&member, index.as_bytes()).unwrap();
        let manifest = Manifest {
            format: FORMAT,
            refarch: String::new(),
            made_for: MadeFor::default(),
            image: None,
            repositories: vec![Repository {
                platform: platform.parse().unwrap(),
                sources: Vec::new(),
                roots: vec!["nginx".to_owned()],
                also: Default::default(),
                index: member,
                packages,
            }],
            own: Default::default(),
            files: Vec::new(),
        };
        writer.finish(manifest).unwrap();
        Self { bundle: Bundle::open(&path).unwrap(), rig }
    }

    fn packages(&self, name: &str) -> Item {
        let depot = Some(Arc::new(self.bundle.depot()));
        Item { id: "packages".to_owned(), want: Want::Packages { names: vec![name.to_owned()], depot } }
    }

    fn hash(&self, name: &str) -> String {
        self.bundle.part(&format!("deb/debian-12-amd64/{name}.deb")).unwrap().sha256
    }

    fn kept(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.rig.path("cache/packages")) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn what_the_machine_lacks_is_sent_and_nothing_else_is_asked() {
    let scene = Scene::new("debian-12-amd64");
    // What travels beside the program comes after the packages: not ASCII, and a secret.
    let items = [
        scene.packages("nginx"),
        scene.rig.file("etc/site", "grüße\n"),
        scene.rig.special("etc/key", "a secret", true, false),
    ];
    let checked = scene.rig.run(Mode::Check, &items).await;
    assert_eq!(checked.of("packages"), (Outcome::Changed, "install nginx".to_owned()));
    assert_eq!(scene.kept(), Vec::<String>::new(), "a check changes nothing");

    let applied = scene.rig.run(Mode::Apply, &items).await;
    assert_eq!(applied.of("packages"), (Outcome::Changed, "install nginx".to_owned()));
    assert_eq!(applied.calls, ["update", "install libc", "install nginx"]);
    assert_eq!(fs::read_to_string(scene.rig.path("etc/site")).unwrap(), "grüße\n");
    assert_eq!(fs::read_to_string(scene.rig.path("etc/key")).unwrap(), "a secret");
    // Nothing is left but the index, in a folder of root's.
    assert_eq!(scene.kept(), ["Packages", "apt.conf", "lists", "sources.list"]);
    let mode = fs::metadata(scene.rig.path("cache/packages")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let settings = fs::read_to_string(scene.rig.path("cache/packages/apt.conf")).unwrap();
    assert_eq!(
        fs::read_to_string(scene.rig.path("apt-config")).unwrap().trim(),
        scene.rig.text("cache/packages/apt.conf")
    );
    assert!(settings.contains("Dir::Etc::sourceparts \"/dev/null\";"), "{settings}");
    assert!(scene.rig.run(Mode::Check, &items).await.all_ok());
    let again = scene.rig.run(Mode::Apply, &items).await;
    assert!(again.all_ok() && again.calls.is_empty(), "{:?}", again.calls);
}

#[tokio::test]
async fn a_transfer_that_broke_off_goes_on_where_it_stopped() {
    let scene = Scene::new("debian-12-amd64");
    let (libc, nginx) = (scene.hash("libc"), scene.hash("nginx"));
    let whole = fs::read(scene.rig.path("all.tar")).unwrap();
    let place = scene.bundle.part("deb/debian-12-amd64/nginx.deb").unwrap();
    // The bundle becomes shorter while it is read: one package came whole, of the other a part.
    let index = scene.bundle.part("deb/debian-12-amd64/Packages").unwrap();
    let folder = scene.rig.path("cache/packages");
    fs::create_dir_all(&folder).unwrap();
    let text = &whole[usize::try_from(index.start).unwrap()..][..usize::try_from(index.size).unwrap()];
    fs::write(folder.join("Packages"), text).unwrap();
    let bundle = fs::File::options().write(true).open(scene.rig.path("all.tar")).unwrap();
    bundle.set_len(place.start + 400_000).unwrap();
    let items = [scene.packages("nginx")];
    let broken = scene.rig.run(Mode::Apply, &items).await;
    assert_eq!(broken.of("packages"), (Outcome::Failed, "could not install nginx".to_owned()));
    let told = broken.report.unwrap_err().output().join("\n");
    assert!(told.contains("became shorter") && told.contains("did not arrive whole"), "{told}");
    let part = folder.join(format!("{nginx}.part"));
    assert_eq!(fs::metadata(&part).unwrap().len(), 400_000);
    assert!(folder.join(format!("{libc}.deb")).exists());

    // Only the rest is read: what was sent is something else in the bundle now, and nobody notices.
    let mut changed = whole.clone();
    let start = usize::try_from(place.start).unwrap();
    changed[start..start + 400_000].fill(0);
    fs::write(scene.rig.path("all.tar"), &changed).unwrap();
    let applied = scene.rig.run(Mode::Apply, &items).await;
    assert_eq!(applied.calls, ["update", "install libc", "install nginx"]);

    // What arrives and is not what the bundle said is thrown away.
    fs::remove_file(scene.rig.path("packages/nginx")).unwrap();
    let wrong = scene.rig.run(Mode::Apply, &items).await;
    assert_eq!(wrong.of("packages").0, Outcome::Failed);
    assert!(!part.exists() && !folder.join(format!("{nginx}.deb")).exists());
    fs::write(scene.rig.path("all.tar"), &whole).unwrap();
    assert_eq!(scene.rig.run(Mode::Apply, &items).await.of("packages").0, Outcome::Changed);
}

#[tokio::test]
async fn a_machine_that_the_bundle_has_nothing_for_is_told_so_before_anything_changes() {
    let scene = Scene::new("debian-11-amd64");
    let items = [scene.packages("nginx"), scene.rig.file("etc/site", "x")];
    let checked = scene.rig.run(Mode::Check, &items).await;
    let reason = "the bundle has no packages for debian-12-amd64, and this machine lacks nginx";
    assert_eq!(checked.of("packages"), (Outcome::Failed, reason.to_owned()));
    let applied = scene.rig.run(Mode::Apply, &items).await;
    assert_eq!(applied.of("packages"), (Outcome::Failed, reason.to_owned()));
    assert!(applied.calls.is_empty() && !scene.rig.path("etc/site").exists());
}

#[tokio::test]
async fn what_apt_says_about_a_package_that_is_in_no_bundle_is_told() {
    let scene = Scene::new("debian-12-amd64");
    let applied = scene.rig.run(Mode::Apply, &[scene.packages("tree")]).await;
    assert_eq!(applied.of("packages"), (Outcome::Failed, "could not install tree".to_owned()));
    let told = applied.report.unwrap_err().output().join("\n");
    assert!(told.contains("E: Unable to locate package tree"), "{told}");
}
