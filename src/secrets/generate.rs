//! New secrets from the operating system's random numbers, and the stand-ins that offline commands use.

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{TryRngCore, rngs::OsRng};
use zeroize::Zeroizing;

use jiff::Timestamp;

use super::{Secret, SecretsError, keys};
use crate::catalog::SecretSpec;

/// No characters that a shell, a URL or a configuration file treats in its own way.
const LETTERS_AND_DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A new text for a specification that asks for one; none for certificates.
pub(super) fn text(spec: &SecretSpec, now: Timestamp) -> Result<Option<Secret>, SecretsError> {
    Ok(match spec {
        SecretSpec::Password { length } => Some(password(*length)?),
        SecretSpec::Base64 { bytes } => Some(Secret::new(STANDARD.encode(random(*bytes)?))),
        SecretSpec::Hex { bytes } => Some(Secret::new(hex(&random(*bytes)?))),
        SecretSpec::RsaKey { bits } => Some(keys::rsa(*bits)?),
        SecretSpec::SelfSigned { common_name, bits } => Some(keys::self_signed(common_name, *bits, now)?),
        SecretSpec::SshKey { kind } => Some(keys::ssh(*kind)?),
        SecretSpec::Authority { .. } | SecretSpec::Certificate { .. } => None,
    })
}

/// A value that shows what would stand there: the same on every machine and every day.
pub(super) fn placeholder(name: &str, spec: &SecretSpec) -> Secret {
    let stand_in = format!("placeholder-{name}");
    // Programs that read the value may insist on its encoding and length.
    let padded = |bytes: usize| stand_in.bytes().chain(std::iter::repeat(b'.')).take(bytes).collect::<Vec<u8>>();
    Secret::new(match spec {
        SecretSpec::Base64 { bytes } => STANDARD.encode(padded(*bytes)),
        SecretSpec::Hex { bytes } => hex(&padded(*bytes)),
        SecretSpec::RsaKey { .. } | SecretSpec::SshKey { .. } => block("RSA PRIVATE KEY", &stand_in),
        SecretSpec::SelfSigned { .. } => block("RSA PRIVATE KEY", &stand_in) + &block("CERTIFICATE", &stand_in),
        _ => stand_in,
    })
}

fn block(kind: &str, text: &str) -> String {
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

fn random(bytes: usize) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    let mut buffer = Zeroizing::new(vec![0; bytes]);
    OsRng.try_fill_bytes(&mut buffer).map_err(|error| SecretsError::Random(error.to_string()))?;
    Ok(buffer)
}

fn password(length: usize) -> Result<Secret, SecretsError> {
    // Reserved at once: a text that grew would leave copies of itself behind.
    let mut text = Zeroizing::new(String::with_capacity(length));
    while text.len() < length {
        for byte in random(length)?.iter() {
            // 4 * 62 = 248: bytes above would make the first letters likelier than the others.
            if *byte < 248 && text.len() < length {
                text.push(char::from(LETTERS_AND_DIGITS[usize::from(*byte) % LETTERS_AND_DIGITS.len()]));
            }
        }
    }
    Ok(Secret::new(std::mem::take(&mut *text)))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
