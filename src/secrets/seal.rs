//! Encrypting for everybody who may read.

use std::io::Write as _;

use age::{
    Encryptor,
    armor::{ArmoredWriter, Format},
    x25519::{Identity, Recipient},
};
use zeroize::Zeroizing;

use super::{IdentitySource, SecretsError};

/// Who may open what is encrypted: public keys, `age1…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients(Vec<String>);

impl Recipients {
    /// These keys; none of them: whoever writes.
    ///
    /// # Errors
    /// When one is no public key.
    pub fn new(keys: &[String]) -> Result<Self, SecretsError> {
        for key in keys {
            key.parse::<Recipient>().map_err(|reason| SecretsError::Recipient { key: key.clone(), reason })?;
        }
        let mut keys = keys.to_vec();
        keys.sort();
        keys.dedup();
        Ok(Self(keys))
    }

    /// The keys, sorted.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// The keys that this identity encrypts for.
    pub(super) fn of(&self, identity: &Identity) -> Result<Vec<Recipient>, SecretsError> {
        let own = identity.to_public().to_string();
        if self.0.is_empty() {
            return Ok(vec![identity.to_public()]);
        }
        if !self.0.contains(&own) {
            return Err(SecretsError::NotARecipient { own });
        }
        let parse = |key: &String| {
            key.parse::<Recipient>().map_err(|reason| SecretsError::Recipient { key: key.clone(), reason })
        };
        self.0.iter().map(parse).collect()
    }
}

/// Encrypts for others and opens what others encrypted.
pub struct Seal {
    identity: Identity,
    recipients: Vec<Recipient>,
}

impl Seal {
    /// With the user's identity, which is made where it may be and is missing.
    ///
    /// # Errors
    /// When the identity cannot be had, or is not among the recipients.
    pub fn new(source: &IdentitySource, recipients: &Recipients, may_make: bool) -> Result<Self, SecretsError> {
        let identity = if may_make { source.read_or_make()? } else { source.read()? };
        Ok(Self { recipients: recipients.of(&identity)?, identity })
    }

    /// Public keys of all who can open what this encrypts, sorted.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.recipients.iter().map(ToString::to_string).collect();
        keys.sort();
        keys
    }

    /// Encrypts.
    ///
    /// # Errors
    /// When it cannot.
    pub fn close(&self, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let write = || {
            let sealed = Vec::with_capacity(plain.len() + 1024);
            let mut writer = encryptor(&self.recipients)?.wrap_output(sealed)?;
            writer.write_all(plain)?;
            writer.finish()
        };
        write().map_err(|error: std::io::Error| SecretsError::Encrypt(error.to_string()))
    }

    /// Opens what was encrypted for this identity; `name` is for the error.
    ///
    /// # Errors
    /// When it was not, or was changed since.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        age::decrypt(&self.identity, sealed)
            .map(Zeroizing::new)
            .map_err(|error| SecretsError::Decrypt { path: name.to_owned(), reason: error.to_string() })
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal for {:?}", self.recipients())
    }
}

/// As text that an editor can open.
pub(super) fn armored(recipients: &[Recipient], plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut sealed = Vec::new();
    let armor = ArmoredWriter::wrap_output(&mut sealed, Format::AsciiArmor)?;
    let mut writer = encryptor(recipients)?.wrap_output(armor)?;
    writer.write_all(plain)?;
    writer.finish()?.finish()?;
    Ok(sealed)
}

fn encryptor(recipients: &[Recipient]) -> std::io::Result<Encryptor> {
    Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))
        .map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Secret;

    fn somebody() -> (IdentitySource, String) {
        use age::secrecy::ExposeSecret as _;
        let identity = Identity::generate();
        let key = Secret::new(identity.to_string().expose_secret().to_owned());
        (IdentitySource::Key(key), identity.to_public().to_string())
    }

    #[test]
    fn everybody_named_opens_it_and_nobody_else() {
        let ((one, one_key), (two, two_key), (three, _)) = (somebody(), somebody(), somebody());
        let both = Recipients::new(&[two_key, one_key]).unwrap();
        let sealed = Seal::new(&one, &both, false).unwrap().close(b"correct horse").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"correct"));
        for somebody in [&one, &two] {
            let opened = Seal::new(somebody, &both, false).unwrap().open("x", &sealed).unwrap();
            assert_eq!(opened.as_slice(), b"correct horse");
        }
        let stranger = Seal::new(&three, &Recipients::default(), false).unwrap();
        assert!(matches!(stranger.open("x", &sealed), Err(SecretsError::Decrypt { .. })));
        assert!(matches!(Seal::new(&three, &both, false), Err(SecretsError::NotARecipient { .. })));
    }

    #[test]
    fn a_private_key_is_no_recipient() {
        assert!(Recipients::new(&["age1nonsense".to_owned()]).is_err());
    }
}
