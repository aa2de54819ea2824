//! Everything that can stop a verb before or between its steps.

use crate::{
    catalog::CatalogError, configure::RenderError, diagnostic::Faults, exit, journal::JournalError, lock::LockError,
    plan::PlanError, provider::ProviderError, remote::RemoteError, secrets::SecretsError, shared::SharedError,
    topology::ResolveError, workspace::WorkspaceError,
};

/// Why a verb could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment file has faults.
    #[error("{0}")]
    Environment(Faults),
    /// The roles have faults.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The environment cannot be resolved.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A role cannot be rendered for a node.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// SSH cannot be set up.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The provider refused.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Secrets cannot be read or written.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The workspace cannot be used.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The shared workspace cannot be used.
    #[error(transparent)]
    Shared(SharedError),
    /// The lock is held.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A plan cannot be read, written or run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Anything else that has a message and a hint.
    #[error("{message}")]
    Refused {
        /// Exit code.
        code: u8,
        /// What is the matter.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl Error {
    /// A refusal.
    #[must_use]
    pub fn refused(code: u8, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Refused { code, message: message.into(), hint: hint.map(str::to_owned) }
    }

    /// The exit code that the program ends with.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Environment(_) | Self::Resolve(_) => exit::ENVIRONMENT,
            Self::Lock(_) | Self::Shared(SharedError::Lost { .. }) => exit::LOCKED,
            Self::Refused { code, .. } => *code,
            _ => exit::FAILED,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Provider(error) => error.hint.clone(),
            Self::Lock(error) => error.hint().map(str::to_owned),
            Self::Shared(error) => error.hint(),
            Self::Secrets(error) => error.hint().map(str::to_owned),
            Self::Refused { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}

impl From<SharedError> for Error {
    fn from(error: SharedError) -> Self {
        match error {
            // Whoever has the lock has it wherever it is.
            SharedError::Lock(error) => Self::Lock(error),
            error => Self::Shared(error),
        }
    }
}
