use std::{
    io::Write as _,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    Bundle, BundleError, FORMAT, Image, MANIFEST, Manifest, Need, Package, Repository, Writer, lacks, manifest::MadeFor,
};

fn manifest() -> Manifest {
    let package = |name: &str| Package {
        name: name.to_owned(),
        version: "1".to_owned(),
        architecture: "all".to_owned(),
        file: format!("deb/debian-12-amd64/{name}.deb"),
    };
    Manifest {
        format: FORMAT,
        refarch: "0".to_owned(),
        made_for: MadeFor::default(),
        image: Some(Image {
            recipe: "abc".to_owned(),
            platform: "debian-12-amd64".parse().unwrap(),
            packages: vec!["jq".to_owned()],
            file: "image/node.tar".to_owned(),
        }),
        repositories: vec![Repository {
            platform: "debian-12-amd64".parse().unwrap(),
            sources: Vec::new(),
            roots: vec!["jq".to_owned()],
            also: [("web".to_owned(), vec!["tzdata".to_owned()])].into(),
            index: "deb/debian-12-amd64/Packages".to_owned(),
            packages: vec![package("jq"), package("libonig5")],
        }],
        own: [("package.deb".to_owned(), "own/0-package.deb".to_owned())].into(),
        files: Vec::new(),
    }
}

/// A bundle with a little of everything; `leave_out` is not in it although its manifest says so.
fn write(path: &Path, leave_out: &str) -> String {
    let mut writer = Writer::create(path).unwrap();
    for (name, text) in [
        ("deb/debian-12-amd64/jq.deb", "the package jq"),
        ("deb/debian-12-amd64/libonig5.deb", "and one that it needs"),
        ("deb/debian-12-amd64/Packages", "Package: jq\n"),
        ("own/0-package.deb", "a file of the user's"),
    ] {
        if name != leave_out {
            writer.text(name, text.as_bytes()).unwrap();
        }
    }
    let mut stream = writer.stream("image/node.tar").unwrap();
    for piece in 0..700_u32 {
        stream.write_all(&piece.to_be_bytes()).unwrap();
    }
    stream.end().unwrap();
    writer.finish(manifest()).unwrap().1
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.tar");
    (folder, path)
}

#[test]
fn what_was_written_is_read_and_whole() {
    let (folder, path) = place();
    let digest = write(&path, "");
    let bundle = Bundle::open(&path).unwrap();
    bundle.check(|_| {}).unwrap();
    bundle.expect(&format!("sha256:{}\n", digest.to_uppercase())).unwrap();
    assert!(matches!(bundle.expect("00"), Err(BundleError::Another { .. })));
    let image = bundle.part("image/node.tar").unwrap();
    let mut bytes = [0; 4];
    std::fs::File::open(&image.file).unwrap().read_exact_at(&mut bytes, image.start + 4 * 699).unwrap();
    assert_eq!((image.size, u32::from_be_bytes(bytes)), (2800, 699));
    bundle.take_out("own/0-package.deb", &folder.path().join("out")).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("out")).unwrap(), "a file of the user's");
    assert!(bundle.take_out("own/0-package.deb", &folder.path().join("out")).is_err(), "nothing is overwritten");
    // Nothing of the writing is left, others may read it, and the same content is the same file.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let first = std::fs::read(&path).unwrap();
    assert_eq!(write(&path, ""), digest);
    assert_eq!(std::fs::read(&path).unwrap(), first);
}

#[test]
fn it_is_a_plain_tar_archive() {
    let (_folder, path) = place();
    write(&path, "");
    let listed = std::process::Command::new("tar").arg("-tf").arg(&path).output().unwrap();
    assert!(listed.status.success());
    let names = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(names.lines().last(), Some(MANIFEST));
    assert_eq!(names.lines().count(), 6);
}

#[test]
fn wherever_it_is_cut_it_is_refused() {
    let (_folder, path) = place();
    write(&path, "");
    let whole = std::fs::read(&path).unwrap();
    // After the manifest there are zeros only.
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for length in (0..=end).step_by(97).chain([end]) {
        std::fs::write(&path, &whole[..length]).unwrap();
        match Bundle::open(&path) {
            Err(BundleError::Short { .. } | BundleError::Foreign { .. } | BundleError::File { .. }) => {}
            other => panic!("{length} of {} bytes: {other:?}", whole.len()),
        }
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(Bundle::open(&path), Err(BundleError::Short { .. })));
}

#[test]
fn whatever_byte_is_changed_it_is_refused_or_another() {
    let (_folder, path) = place();
    let digest = write(&path, "");
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len() - 1024).step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, &bytes).unwrap();
        let Ok(bundle) = Bundle::open(&path) else { continue };
        let same = bundle.expect(&digest).is_ok() && bundle.check(|_| {}).is_ok();
        if same {
            // Between members nothing is read.
            for file in &bundle.manifest().files {
                let part = bundle.part(&file.name).unwrap();
                let inside = part.start..part.start + part.size;
                assert!(!inside.contains(&(at as u64)), "byte {at} of {}", file.name);
            }
        }
    }
}

#[test]
fn what_the_manifest_names_and_is_not_there_is_told() {
    let (_folder, path) = place();
    write(&path, "deb/debian-12-amd64/libonig5.deb");
    let error = Bundle::open(&path).unwrap_err();
    assert!(error.to_string().ends_with("is damaged: deb/debian-12-amd64/libonig5.deb is not in it"), "{error}");
}

#[test]
fn what_the_manifest_does_not_name_is_told() {
    let (_folder, path) = place();
    write(&path, "");
    let stowaway = path.with_file_name("deb-more");
    std::fs::write(&stowaway, "x").unwrap();
    let appended = std::process::Command::new("tar")
        .args([
            "-rf".as_ref(),
            path.as_os_str(),
            "-C".as_ref(),
            path.parent().unwrap().as_os_str(),
            "deb-more".as_ref(),
        ])
        .status();
    assert!(appended.unwrap().success());
    let error = Bundle::open(&path).unwrap_err();
    assert!(error.to_string().ends_with("deb-more is in it and not in its manifest"), "{error}");
}

#[test]
fn other_formats_and_other_files_are_told_apart() {
    let (folder, path) = place();
    std::fs::write(&path, "name: demo\n".repeat(100)).unwrap();
    let error = Bundle::open(&path).unwrap_err();
    assert!(matches!(error, BundleError::Foreign { .. }), "{error}");
    assert!(error.hint().unwrap().contains("refarch bundle"));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(Bundle::open(&path), Err(BundleError::Foreign { .. })));
    assert!(matches!(Bundle::open(&folder.path().join("none")), Err(BundleError::File { .. })));
    let writer = Writer::create(&path).unwrap();
    writer
        .finish(Manifest { format: 7, image: None, repositories: Vec::new(), own: Default::default(), ..manifest() })
        .unwrap();
    assert!(matches!(Bundle::open(&path), Err(BundleError::Format { found: 7, .. })));
}

#[test]
fn half_a_bundle_has_no_name() {
    let (folder, path) = place();
    let mut writer = Writer::create(&path).unwrap();
    writer.text("own/x", b"x").unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_an_environment_needs_and_the_bundle_lacks_is_named() {
    let need = |packages: &[(&str, &[&str])]| Need {
        packages: packages
            .iter()
            .map(|(role, names)| ((*role).to_owned(), names.iter().map(|name| (*name).to_owned()).collect()))
            .collect(),
        image_suite: None,
        architecture: "amd64".to_owned(),
    };
    let fits = need(&[("base", &["jq"]), ("web", &["libonig5"])]);
    assert_eq!(lacks(&manifest(), &fits), Vec::<String>::new());
    let more = need(&[("base", &["jq"]), ("web", &["nginx", "tree"])]);
    assert_eq!(lacks(&manifest(), &more), ["its packages for debian-12-amd64 lack nginx, tree of role web"]);
    let empty = Manifest { repositories: Vec::new(), ..manifest() };
    assert_eq!(lacks(&empty, &fits), ["it has no packages, only what provider local needs"]);

    let local = |suite: &str| Need { image_suite: Some(suite.to_owned()), ..need(&[("base", &["jq"])]) };
    assert_eq!(lacks(&manifest(), &local("bookworm")), Vec::<String>::new());
    assert_eq!(
        lacks(&manifest(), &Need { architecture: "arm64".to_owned(), ..local("trixie") }),
        [
            "its node image is debian-12-amd64, and the environment wants trixie",
            "its node image is debian-12-amd64, and this machine is arm64"
        ]
    );
    let without = Manifest { image: None, ..manifest() };
    assert_eq!(lacks(&without, &local("bookworm")), ["it has no node image, and provider local starts nodes from one"]);
    // A package that is only needed by another is not in the image's list; roles must be.
    let other = Need { image_suite: Some("bookworm".to_owned()), ..need(&[("web", &["libonig5"])]) };
    assert_eq!(lacks(&manifest(), &other), ["its node image lacks libonig5 of role web"]);
}

#[test]
fn nodes_ask_for_packages_by_their_hash() {
    let (_folder, path) = place();
    write(&path, "");
    let bundle = Bundle::open(&path).unwrap();
    let depot = bundle.depot();
    let jq = bundle.part("deb/debian-12-amd64/jq.deb").unwrap();
    assert_eq!(depot.part(&jq.sha256), Some(&jq));
    let shelf = &depot.shelves()[&"debian-12-amd64".parse().unwrap()];
    assert!(depot.part(&shelf.sha256).is_some());
    // What is not a package is not handed out.
    assert_eq!(depot.part(&bundle.part("own/0-package.deb").unwrap().sha256), None);
    assert_eq!((depot.also("web"), depot.also("base")), (vec!["tzdata".to_owned()], Vec::new()));
}
