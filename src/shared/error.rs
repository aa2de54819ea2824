//! What can be the matter with a shared workspace, and what to do then.

use crate::{lock::LockError, secrets::SecretsError, workspace::WorkspaceError};

/// Why the shared workspace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// This build cannot talk to buckets.
    #[error("the workspace is in {place}, and this build of refarch reaches folders only")]
    NotBuilt {
        /// Where.
        place: String,
    },
    /// The folder is not there.
    #[error("the shared folder {place} cannot be used: {reason}")]
    NoFolder {
        /// Folder.
        place: String,
        /// Why.
        reason: String,
    },
    /// The variables of the service do not say enough, or something wrong.
    #[error("{place} cannot be reached with these settings: {reason}")]
    Settings {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// Nobody answers, or not in time.
    #[error("{place} does not answer ({doing}): {reason}")]
    Unreachable {
        /// Where.
        place: String,
        /// What was tried.
        doing: String,
        /// Why it failed.
        reason: String,
    },
    /// The credentials do not allow it.
    #[error("{place} refuses ({doing}): {reason}")]
    Denied {
        /// Where.
        place: String,
        /// What was tried.
        doing: String,
        /// What it said.
        reason: String,
    },
    /// The bucket is not there.
    #[error("{place} is not there: {reason}")]
    Missing {
        /// Where.
        place: String,
        /// What it said.
        reason: String,
    },
    /// Whoever comes second would write over whoever came first.
    #[error("{place} does not keep to `If-None-Match`: two could have the lock at the same time")]
    NoConditions {
        /// Where.
        place: String,
    },
    /// What is there cannot be understood.
    #[error("{place} is damaged: {what}: {reason}")]
    Damaged {
        /// Where.
        place: String,
        /// Object.
        what: String,
        /// Why.
        reason: String,
    },
    /// It is encrypted for others.
    #[error("{place} is encrypted for {recipients}, and {own}")]
    NotForYou {
        /// Where.
        place: String,
        /// Public keys.
        recipients: String,
        /// The user's own, or why there is none.
        own: String,
    },
    /// Another environment of this name is there.
    #[error("{place} has another environment `{environment}`: {differences}")]
    OtherEnvironment {
        /// Where.
        place: String,
        /// Name.
        environment: String,
        /// What is different.
        differences: String,
    },
    /// This machine's working copy is of something else.
    #[error("{copy} {reason}")]
    OtherCopy {
        /// Working copy.
        copy: String,
        /// What it is.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// Secrets or keys were changed here and there.
    #[error("{paths} of {copy} never reached {place}, where they were changed by others since")]
    Diverged {
        /// Where.
        place: String,
        /// Working copy.
        copy: String,
        /// Files.
        paths: String,
    },
    /// The environment is shared, and its file does not say so.
    #[error("{copy} is this machine's copy of {place}, and the environment file names no shared `workspace`")]
    NotNamed {
        /// Working copy.
        copy: String,
        /// Where it came from.
        place: String,
    },
    /// Somebody else has the lock now.
    #[error("the lock is not this process's any more{by}: nothing is written to {place}")]
    Lost {
        /// Where.
        place: String,
        /// Who has it, as `, but …`; may be empty.
        by: String,
    },
    /// The lock is held.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nothing can be encrypted or opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The working copy cannot be used.
    #[error(transparent)]
    File(#[from] WorkspaceError),
}

impl SharedError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotBuilt { .. } => "build it with `cargo build --release --features buckets`",
            Self::NoFolder { .. } => {
                "is it mounted, and may you write there? refarch does not make it: an empty folder in its place would \
                 look like a place where nothing is"
            }
            Self::Settings { .. } => "docs/teams.md lists the variables of each service",
            Self::Unreachable { .. } => {
                "nothing was changed where it could not be written down first; try again, and see docs/teams.md for the \
                 variables of each service"
            }
            Self::Denied { .. } => "docs/teams.md lists the permissions that it takes, and where credentials come from",
            Self::Missing { .. } => "make the bucket first, or mend its name; refarch makes none",
            Self::NoConditions { .. } => {
                "nothing was kept there; take a storage that has conditional writes, or a newer version of this one"
            }
            Self::Damaged { .. } => {
                "restore the object from the bucket's older versions if it has them; the machines are not concerned, \
                 only what is known of them"
            }
            Self::NotForYou { .. } => {
                "set REFARCH_IDENTITY to an identity that is listed, or have one of them add your key to `recipients` \
                 in the environment file and apply"
            }
            Self::OtherEnvironment { .. } => "give this one another `name`, or another `workspace`",
            Self::OtherCopy { hint, .. } => return Some(hint.clone()),
            Self::Diverged { copy, .. } => {
                return Some(format!(
                    "no node was configured with what is only here; put it aside and take the team's: mv {copy} \
                     {copy}.aside"
                ));
            }
            Self::NotNamed { copy, place } => {
                return Some(format!(
                    "write `workspace: {place}` into it, or set REFARCH_WORKSPACE; if the environment is this machine's \
                     alone from now on, remove {copy}/shared.json"
                ));
            }
            Self::Lost { .. } => "look at `refarch lock` and `refarch runs`; `refarch resume` goes on when it is free",
            Self::Lock(error) => return error.hint().map(str::to_owned),
            Self::Secrets(error) => return error.hint().map(str::to_owned),
            Self::File(_) => return None,
        };
        Some(text.to_owned())
    }

    /// Whether nobody could be asked, which says nothing about the state itself.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Denied { .. }
                | Self::NoFolder { .. }
                | Self::Missing { .. }
                | Self::Settings { .. }
        )
    }
}
