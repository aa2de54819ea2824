//! gitlab-secrets.json: the sections, fields and lengths that the package makes by itself, so that it keeps ours.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use refarch::{
    catalog::SecretSpec,
    configure::{Inputs, Renderer, SecretSource},
    secrets::{IdentitySource, SecretStore},
    workspace::Workspace,
};
use serde_json::Value;

use super::place::{Place, catalog, file};

struct Vault(Arc<SecretStore>);

impl SecretSource for Vault {
    fn text(&self, name: &str) -> Option<String> {
        self.0.text(name).map(|secret| secret.expose().to_owned())
    }
    fn pair(&self, name: &str, node: &str) -> Option<(String, String)> {
        self.0.pair(name, node).map(|pair| (pair.certificate.to_owned(), pair.key.expose().to_owned()))
    }
    fn ca_certificate(&self) -> Option<String> {
        self.0.ca_certificate(None).map(str::to_owned)
    }
}

/// The file with real secrets, as the first apply makes them.
fn made() -> (Value, String) {
    let place = Place::new("1k", "");
    let stack = catalog();
    let specs: BTreeMap<String, SecretSpec> = stack
        .roles
        .values()
        .flat_map(|role| role.secrets.clone())
        .filter(|(name, spec)| {
            // Certificates need their names; nothing here is about them.
            !matches!(spec, SecretSpec::Certificate { .. }) && !name.is_empty()
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::for_environment(&folder.path().join("a.yaml"), "demo", Some(folder.path().join("work")));
    workspace.create().unwrap();
    let identity = IdentitySource::File(folder.path().join("identity"));
    let mut store = SecretStore::open(&workspace, identity).unwrap();
    store.ensure(&specs, &[]).unwrap();
    // What is left are stand-ins for certificates.
    let all: BTreeMap<String, SecretSpec> = stack.roles.values().flat_map(|role| role.secrets.clone()).collect();
    let requests: Vec<_> = ["internal", "site"]
        .map(|secret| refarch::secrets::CertificateRequest {
            secret: secret.to_owned(),
            node: "demo-single-1".to_owned(),
            names: vec!["demo-single-1".to_owned()],
        })
        .into();
    store.fill_placeholders(&all, &requests).unwrap();
    let vault = Vault(Arc::new(store));
    let topology = place.session.topology();
    let addresses = [("demo-single-1".to_owned(), "10.0.0.1".to_owned())].into();
    let inputs = Inputs { catalog: &stack, topology, addresses: &addresses, secrets: &vault, folder: None };
    let stages = Renderer::new(inputs).unwrap().stages("demo-single-1").unwrap();
    let text = file(&stages, "/etc/refarch/gitlab-secrets.json").unwrap();
    let key = file(&stages, "/etc/refarch/git-ssh/ssh_host_ed25519_key").unwrap();
    (serde_json::from_str(&text).unwrap(), key)
}

#[test]
fn every_field_has_the_form_that_the_package_gives_it() {
    let (secrets, ssh) = made();
    let text =
        |path: &str| secrets.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path}")).to_owned();
    for path in [
        "/gitlab_shell/secret_token",
        "/gitlab_rails/secret_key_base",
        "/gitlab_rails/db_key_base",
        "/gitlab_rails/otp_key_base",
        "/gitlab_rails/encrypted_settings_key_base",
        "/gitlab_pages/auth_secret",
        "/registry/http_secret",
    ] {
        let value = text(path);
        assert!(value.len() == 128 && value.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}: {}", value.len());
    }
    for (path, bytes) in [
        ("/gitlab_workhorse/secret_token", 32),
        ("/gitlab_pages/api_secret_key", 32),
        ("/gitlab_kas/api_secret_key", 32),
        ("/gitlab_kas/private_api_secret_key", 32),
        ("/gitlab_kas/websocket_token_secret_key", 72),
        ("/mailroom/incoming_email_auth_token", 32),
        ("/mailroom/service_desk_email_auth_token", 32),
    ] {
        assert_eq!(STANDARD.decode(text(path)).unwrap().len(), bytes, "{path}");
    }
    for path in ["/gitlab_rails/openid_connect_signing_key", "/registry/internal_key", "/postgresql/internal_key"] {
        let key = text(path);
        assert!(
            key.starts_with("-----BEGIN RSA PRIVATE KEY-----\n") && key.ends_with("-----END RSA PRIVATE KEY-----\n")
        );
        // 4096 bits make about 2350 bytes of DER.
        assert!(key.len() > 3000, "{path}: {}", key.len());
    }
    for path in ["/registry/internal_certificate", "/postgresql/internal_certificate"] {
        assert!(text(path).starts_with("-----BEGIN CERTIFICATE-----\n"), "{path}");
    }
    for path in ["active_record_encryption_primary_key", "active_record_encryption_deterministic_key"] {
        let list = secrets.pointer(&format!("/gitlab_rails/{path}")).and_then(Value::as_array).unwrap();
        assert_eq!(list.len(), 1);
        assert!(list[0].as_str().unwrap().len() == 32, "{path}");
    }
    assert_eq!(text("/gitlab_rails/active_record_encryption_key_derivation_salt").len(), 32);
    assert!(ssh.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
}
