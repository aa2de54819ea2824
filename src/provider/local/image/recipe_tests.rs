use super::*;

fn options() -> LocalOptions {
    LocalOptions { packages: vec!["redis-server".into(), "haproxy".into()], ..LocalOptions::new("demo", "/nowhere") }
}

fn file(recipe: &Recipe, name: &str) -> String {
    String::from_utf8(recipe.files[name].clone()).unwrap()
}

#[test]
fn the_hash_changes_with_everything_that_goes_in_and_with_nothing_else() {
    let bare = Machine::default();
    let hash = |options: &LocalOptions, machine: &Machine| Recipe::on(options, machine).hash();
    let first = hash(&options(), &bare);
    assert_eq!(first.len(), 12);

    let mut same = options();
    same.packages.reverse();
    same.environment = "other".into();
    assert_eq!(hash(&same, &bare), first);

    let changes: [fn(&mut LocalOptions); 4] = [
        |options| options.packages.push("jq".into()),
        |options| options.suite = "trixie".into(),
        |options| options.mirror = Some("http://mirror.example/debian".into()),
        |options| options.fallback_suites.clear(),
    ];
    for change in changes {
        let mut other = options();
        change(&mut other);
        assert_ne!(hash(&other, &bare), first);
    }
    let behind_proxy = Machine { proxies: BTreeMap::from([("proxy".into(), b"x".to_vec())]), ..Machine::default() };
    assert_ne!(hash(&options(), &behind_proxy), first);
    let trusting = Machine { authorities: BTreeMap::from([("a.crt".into(), b"x".to_vec())]), ..Machine::default() };
    assert_ne!(hash(&options(), &trusting), first);
}

#[test]
fn without_a_debian_below_the_public_mirror_is_used() {
    let recipe = Recipe::on(&options(), &Machine::default());
    assert_eq!(
        file(&recipe, "sources"),
        "deb http://deb.debian.org/debian bookworm main\n\
         deb http://deb.debian.org/debian bookworm-updates main\n\
         deb http://deb.debian.org/debian-security bookworm-security main\n"
    );
    assert_eq!(file(&recipe, "fallback"), "deb http://deb.debian.org/debian bullseye main\n");
    assert_eq!(file(&recipe, "packages"), "haproxy\nredis-server\n");
}

#[test]
fn a_named_mirror_is_asked_for_the_suite_alone() {
    let named = LocalOptions { mirror: Some("https://mirror.example/debian".into()), ..options() };
    let machine = Machine { bundle: Some(b"pem".to_vec()), ..Machine::default() };
    let recipe = Recipe::on(&named, &machine);
    assert_eq!(file(&recipe, "sources"), "deb https://mirror.example/debian bookworm main\n");
    assert_eq!(file(&recipe, "ca-bundle"), "pem");
}

#[test]
fn this_machines_own_debian_gives_mirrors_proxies_and_authorities() {
    let place = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = place.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("etc/os-release", "NAME=Debian\nID=debian\n");
    write(
        "etc/apt/sources.list",
        "# old\ndeb [arch=amd64 signed-by=/k] http://near.example/debian/ bookworm main contrib\n",
    );
    write("etc/apt/sources.list.d/tools.list", "deb http://tools.example/apt bookworm main\n");
    write(
        "etc/apt/sources.list.d/debian.sources",
        "Types: deb\nURIs: http://near.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
         Types: deb\nEnabled: no\nURIs: http://far.example/debian\nSuites: bookworm-updates\nComponents: main\n",
    );
    write("etc/apt/apt.conf.d/10proxy", "Acquire::http::Proxy \"http://cache.example:3142\";\n");
    write("etc/apt/apt.conf.d/20other", "APT::Color \"0\";\n");
    write("usr/local/share/ca-certificates/house.crt", "pem");
    let recipe = Recipe::on(&options(), &Machine::look(place.path()));
    assert_eq!(
        file(&recipe, "sources"),
        "deb http://near.example/debian bookworm main\n\
         deb http://near.example/debian bookworm-updates main\n\
         deb http://near.example/debian-security bookworm-security main\n"
    );
    assert!(recipe.files.contains_key("apt/10proxy") && !recipe.files.contains_key("apt/20other"));
    assert_eq!(file(&recipe, "ca/house.crt"), "pem");
}

#[test]
fn the_archive_holds_every_file() {
    let recipe = Recipe::on(&options(), &Machine::default());
    let bytes = recipe.archive().unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names: BTreeSet<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names.len(), recipe.files.len());
    assert!(names.contains("refarch-build/install.sh"));
}
