use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, process::Command, sync::Arc};

use super::*;
use crate::{catalog::SecretSpec, clock::TestClock, workspace::Workspace};

const TODAY: &str = "2026-11-23T23:41:00Z";

struct Place {
    folder: tempfile::TempDir,
    workspace: Workspace,
    identity: IdentitySource,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::for_environment(&folder.path().join("3k.yaml"), "demo", None);
    workspace.create().unwrap();
    let identity = IdentitySource::File(folder.path().join("config/refarch/identity.txt"));
    Place { folder, workspace, identity }
}

impl Place {
    fn open_at(&self, time: &str) -> SecretStore {
        SecretStore::open_at(&self.workspace, self.identity.clone(), Arc::new(TestClock::at(time))).unwrap()
    }
}

fn specs() -> BTreeMap<String, SecretSpec> {
    BTreeMap::from([
        ("postgres_password".to_owned(), SecretSpec::Password { length: 32 }),
        ("gossip".to_owned(), SecretSpec::Base64 { bytes: 32 }),
        ("token".to_owned(), SecretSpec::Hex { bytes: 16 }),
        ("ca".to_owned(), SecretSpec::Authority { common_name: "demo authority".to_owned() }),
        ("web".to_owned(), SecretSpec::Certificate { authority: "ca".to_owned(), names: vec!["{{ x }}".to_owned()] }),
    ])
}

fn request(names: &[&str]) -> CertificateRequest {
    CertificateRequest {
        secret: "web".to_owned(),
        node: "demo-haproxy-1".to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn a_secret_hides_itself() {
    let secret = Secret::new("hunter22".to_owned());
    assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "<secret> <secret> Some(<secret>)");
    assert_eq!(secret.expose(), "hunter22");
}

#[test]
fn what_is_missing_is_made_once_and_read_again() {
    let place = place();
    let mut store = place.open_at(TODAY);
    let made = store.ensure(&specs(), &[request(&["demo.test"])]).unwrap();
    assert_eq!(made, ["ca", "gossip", "postgres_password", "token", "web@demo-haproxy-1"]);
    let password = store.text("postgres_password").unwrap().expose().to_owned();
    assert!(password.len() == 32 && password.chars().all(|letter| letter.is_ascii_alphanumeric()), "{password}");
    assert_eq!(store.text("gossip").unwrap().expose().len(), 44);
    assert_eq!(store.text("token").unwrap().expose().len(), 32);
    assert!(store.text("ca").is_none() && store.text("nothing").is_none());

    let mut again = place.open_at(TODAY);
    assert_eq!(again.text("postgres_password").unwrap().expose(), password);
    assert_eq!(again.ca_certificate(None), store.ca_certificate(Some("ca")));
    assert_eq!(again.ensure(&specs(), &[request(&["demo.test"])]).unwrap(), Vec::<String>::new());
}

#[test]
fn files_are_private_and_encrypted() {
    let place = place();
    let mut store = place.open_at(TODAY);
    store.ensure(&specs(), &[]).unwrap();
    let text = std::fs::read_to_string(place.workspace.secrets()).unwrap();
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(place.workspace.secrets()), 0o600);
    assert_eq!(mode(place.folder.path().join("config/refarch/identity.txt")), 0o600);
    assert_eq!(mode(place.folder.path().join("config/refarch")), 0o700);
}

#[test]
fn another_identity_opens_nothing_and_a_lost_one_is_not_replaced() {
    let place = place();
    place.open_at(TODAY).ensure(&specs(), &[]).unwrap();
    let other = age::x25519::Identity::generate();
    let key = age::secrecy::ExposeSecret::expose_secret(&other.to_string()).to_owned();
    let error = SecretStore::open(&place.workspace, IdentitySource::Key(Secret::new(key))).unwrap_err();
    assert!(matches!(error, SecretsError::Decrypt { .. }), "{error}");
    assert!(error.hint().unwrap().contains("REFARCH_IDENTITY"));

    let lost = IdentitySource::File(place.folder.path().join("lost.txt"));
    assert!(matches!(SecretStore::open(&place.workspace, lost), Err(SecretsError::Identity { .. })));
    assert!(!place.folder.path().join("lost.txt").exists());
}

#[test]
fn certificates_are_renewed_for_other_names_and_before_they_end() {
    let place = place();
    place.open_at(TODAY).ensure(&specs(), &[request(&["demo.test"])]).unwrap();
    let renewed = |time: &str, names: &[&str]| place.open_at(time).ensure(&specs(), &[request(names)]).unwrap();
    // 825 days after 2026-11-23 is 2029-02-25; 30 days before that is 2029-01-26.
    assert!(renewed("2029-01-25T12:00:00Z", &["demo.test"]).is_empty());
    assert_eq!(renewed("2029-01-26T12:00:00Z", &["demo.test"]), ["web@demo-haproxy-1"]);
    assert!(renewed("2029-01-26T12:00:00Z", &["demo.test"]).is_empty());
    assert_eq!(renewed("2029-01-26T12:00:00Z", &["demo.test", "10.1.2.3"]), ["web@demo-haproxy-1"]);
}

#[test]
fn openssl_accepts_the_chain_for_names_and_addresses() {
    let place = place();
    let mut store = place.open_at(&jiff::Timestamp::now().to_string());
    store.ensure(&specs(), &[request(&["demo.test", "10.1.2.3"])]).unwrap();
    let path = |name: &str| place.folder.path().join(name).display().to_string();
    std::fs::write(path("ca.pem"), store.ca_certificate(None).unwrap()).unwrap();
    std::fs::write(path("web.pem"), store.pair("web", "demo-haproxy-1").unwrap().certificate).unwrap();
    let openssl = |arguments: &[&str]| match Command::new("openssl").args(arguments).output() {
        Ok(output) => Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()),
        Err(_) => None,
    };
    let Some(version) = openssl(&["version"]) else {
        eprintln!("openssl is not installed: the chain was not checked");
        return;
    };
    for (option, name, good) in [
        ("-verify_hostname", "demo.test", true),
        ("-verify_ip", "10.1.2.3", true),
        ("-verify_hostname", "other.test", false),
    ] {
        let arguments = [
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            &path("ca.pem"),
            option,
            name,
            &path("web.pem"),
        ];
        let answer = openssl(&arguments).unwrap();
        assert_eq!(answer.ends_with(": OK\n"), good, "{version}{option} {name}: {answer}");
    }
}

#[test]
fn stand_ins_are_the_same_every_time_and_are_never_written() {
    let mut first = SecretStore::offline();
    let mut second = SecretStore::offline();
    for store in [&mut first, &mut second] {
        let made = store.fill_placeholders(&specs(), &[request(&["demo.test"])]).unwrap();
        assert_eq!(made, ["ca", "gossip", "postgres_password", "token", "web@demo-haproxy-1"]);
    }
    assert_eq!(first.text("postgres_password").unwrap().expose(), "placeholder-postgres_password");
    assert_eq!(first.text("gossip").unwrap().expose().len(), 44, "as long as a real one");
    for name in ["postgres_password", "gossip", "token", "ca", "web@demo-haproxy-1"] {
        assert_eq!(first.get(name), second.get(name), "{name}");
    }
    assert!(first.pair("web", "demo-haproxy-1").unwrap().certificate.contains("placeholder certificate"));

    let place = place();
    let mut store = place.open_at(TODAY);
    store.fill_placeholders(&specs(), &[]).unwrap();
    store.ensure(&BTreeMap::from([("new".to_owned(), SecretSpec::Hex { bytes: 4 })]), &[]).unwrap();
    assert!(!place.workspace.secrets().exists());
}

#[test]
fn a_preview_keeps_real_values_and_stands_in_for_the_rest() {
    let place = place();
    let mut specs = specs();
    let token = specs.remove("token").unwrap();
    place.open_at(TODAY).ensure(&specs, &[request(&["demo.test"])]).unwrap();
    specs.insert("token".to_owned(), token);
    let mut preview = place.open_at(TODAY);
    assert_eq!(preview.fill_placeholders(&specs, &[request(&["demo.test"])]).unwrap(), ["token"]);
    assert_eq!(preview.text("postgres_password").unwrap().expose().len(), 32);
}

#[test]
fn contradicting_roles_are_refused() {
    let mut store = SecretStore::offline();
    store.fill_placeholders(&specs(), &[]).unwrap();
    let changed = BTreeMap::from([("ca".to_owned(), SecretSpec::Hex { bytes: 4 })]);
    assert!(matches!(store.ensure(&changed, &[]), Err(SecretsError::Kind { .. })));
    let orphan = SecretSpec::Certificate { authority: "nobody".to_owned(), names: vec![] };
    let orphan = BTreeMap::from([("web".to_owned(), orphan)]);
    assert!(matches!(store.ensure(&orphan, &[request(&["a.test"])]), Err(SecretsError::NoAuthority { .. })));
}

#[test]
fn the_redactor_finds_passwords_and_the_lines_of_keys() {
    let place = place();
    let mut store = place.open_at(TODAY);
    store.ensure(&specs(), &[request(&["demo.test"])]).unwrap();
    let redactor = store.redactor();
    let password = store.text("postgres_password").unwrap().expose();
    assert_eq!(redactor.redact(&format!("a {password} b")), "a <secret:postgres_password> b");
    let key = store.pair("web", "demo-haproxy-1").unwrap().key.expose().lines().nth(1).unwrap();
    assert_eq!(redactor.redact(key), "<secret:web@demo-haproxy-1>");
    let certificate = store.pair("web", "demo-haproxy-1").unwrap().certificate;
    assert_eq!(redactor.redact(certificate), certificate, "certificates are public");
    assert!(!format!("{redactor:?} {store:?}").contains(password));
}
