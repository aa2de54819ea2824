//! Passwords, keys and certificates of an environment: generated, kept encrypted, handed out, never shown.

mod certificate;
mod generate;
mod identity;
mod keys;
mod redact;
mod rotation;
mod seal;
mod secret;
mod store;
#[cfg(test)]
mod tests;

pub use identity::IdentitySource;
pub use redact::Redactor;
pub use rotation::RotationPhase;
pub use seal::{Recipients, Seal};
pub use secret::Secret;
pub use store::{CertificateRequest, Pair, SecretInfo, SecretKind, SecretStore, SecretsError};
