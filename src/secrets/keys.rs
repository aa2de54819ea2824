//! Asymmetric keys that are handed out as text: RSA keys, certificates signed by themselves, host keys of SSH servers.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData, RsaKeySize};
use zeroize::Zeroizing;

use super::{Secret, SecretsError, certificate};
use crate::catalog::SshKeyKind;

/// Bytes before the key itself in what aws-lc writes for an RSA key: version, algorithm, header of the octet string.
const PKCS8_RSA_HEADER: usize = 26;
/// Bytes of a key line in PEM.
const PEM_LINE: usize = 64;
const OPENSSH_LINE: usize = 70;

/// A new RSA key as PEM of PKCS#1.
pub(super) fn rsa(bits: u16) -> Result<Secret, SecretsError> {
    Ok(Secret::new(pkcs1(&rsa_pair(bits)?)?))
}

/// A new RSA key and the certificate that it signed itself, good for ten years.
pub(super) fn self_signed(common_name: &str, bits: u16, now: Timestamp) -> Result<Secret, SecretsError> {
    let key = rsa_pair(bits)?;
    let mut params = CertificateParams::new(vec![]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    certificate::validity(&mut params, now, certificate::AUTHORITY_DAYS);
    let certificate = params.self_signed(&key).map_err(failed)?.pem().replace("\r\n", "\n");
    Ok(Secret::new(format!("{}{certificate}", pkcs1(&key)?)))
}

/// A new host key of an SSH server.
pub(super) fn ssh(kind: SshKeyKind) -> Result<Secret, SecretsError> {
    match kind {
        SshKeyKind::Rsa => rsa(3072),
        // sshd reads the general form of these keys, but for Ed25519 only lately.
        SshKeyKind::Ecdsa => {
            Ok(Secret::new(KeyPair::generate().map_err(failed)?.serialize_pem().replace("\r\n", "\n")))
        }
        SshKeyKind::Ed25519 => openssh_ed25519(&KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(failed)?),
    }
}

fn rsa_pair(bits: u16) -> Result<KeyPair, SecretsError> {
    let size = match bits {
        2048 => RsaKeySize::_2048,
        3072 => RsaKeySize::_3072,
        4096 => RsaKeySize::_4096,
        _ => return Err(SecretsError::Certificate(format!("an RSA key has 2048, 3072 or 4096 bits, not {bits}"))),
    };
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).map_err(failed)
}

fn pkcs1(key: &KeyPair) -> Result<String, SecretsError> {
    let der = Zeroizing::new(key.serialize_der());
    let inner = der.get(PKCS8_RSA_HEADER..).filter(|inner| inner.starts_with(&[0x30, 0x82]));
    let inner = inner.ok_or_else(|| SecretsError::Certificate("the new RSA key has an unknown form".to_owned()))?;
    Ok(pem("RSA PRIVATE KEY", inner, PEM_LINE))
}

/// OpenSSH's own form of an Ed25519 key, without a passphrase.
fn openssh_ed25519(key: &KeyPair) -> Result<Secret, SecretsError> {
    let der = Zeroizing::new(key.serialize_der());
    let public: [u8; 32] =
        key.der_bytes().try_into().map_err(|_| SecretsError::Certificate("an Ed25519 key has 32 bytes".to_owned()))?;
    // The seed is an octet string in an octet string.
    let marker = [0x04, 0x22, 0x04, 0x20];
    let seed = der
        .windows(marker.len())
        .position(|window| window == marker)
        .and_then(|at| der.get(at + marker.len()..at + marker.len() + 32))
        .ok_or_else(|| SecretsError::Certificate("the new Ed25519 key has an unknown form".to_owned()))?;

    let name: &[u8] = b"ssh-ed25519";
    let public_blob = [field(name), field(&public)].concat();
    // Two equal numbers show a reader that it decrypted well; nothing is encrypted here, so that any will do.
    let check = &public[..4];
    let mut private = Zeroizing::new([check, check, &field(name), &field(&public)].concat());
    private.extend(field(&[seed, &public].concat()));
    private.extend(field(b""));
    let missing = private.len().next_multiple_of(8) - private.len();
    private.extend((1u8..).take(missing));
    let mut whole = Zeroizing::new(b"openssh-key-v1\0".to_vec());
    for part in
        [field(b"none"), field(b"none"), field(b""), 1u32.to_be_bytes().to_vec(), field(&public_blob), field(&private)]
    {
        whole.extend(part);
    }
    Ok(Secret::new(pem("OPENSSH PRIVATE KEY", &whole, OPENSSH_LINE)))
}

/// A length and that many bytes.
fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], bytes].concat()
}

fn pem(kind: &str, bytes: &[u8], width: usize) -> String {
    let text = Zeroizing::new(STANDARD.encode(bytes));
    let mut result = format!("-----BEGIN {kind}-----\n");
    for line in text.as_bytes().chunks(width) {
        result.extend(line.iter().map(|byte| char::from(*byte)));
        result.push('\n');
    }
    result.push_str(&format!("-----END {kind}-----\n"));
    result
}

fn failed(error: rcgen::Error) -> SecretsError {
    SecretsError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::OpenOptionsExt, process::Command};

    use super::*;

    /// What the program says about a key in a file of its own.
    fn told(program: &str, arguments: &[&str], key: &Secret) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        file.write_all(key.expose().as_bytes()).unwrap();
        let output = Command::new(program).args(arguments).arg(&path).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn openssh_reads_every_kind_of_host_key() {
        for (kind, name) in [
            (SshKeyKind::Ed25519, "ssh-ed25519 "),
            (SshKeyKind::Ecdsa, "ecdsa-sha2-nistp256 "),
            (SshKeyKind::Rsa, "ssh-rsa "),
        ] {
            let line = told("ssh-keygen", &["-y", "-P", "", "-f"], &ssh(kind).unwrap());
            assert!(line.starts_with(name), "{line}");
        }
    }

    #[test]
    fn a_self_signed_certificate_belongs_to_its_rsa_key() {
        let both = self_signed("Registry", 2048, Timestamp::now()).unwrap();
        assert!(both.expose().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        let of_key = told("openssl", &["rsa", "-modulus", "-noout", "-in"], &both);
        let of_certificate = told("openssl", &["x509", "-modulus", "-noout", "-in"], &both);
        assert_eq!(of_key, of_certificate);
    }
}
