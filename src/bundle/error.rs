//! Why a bundle cannot be used.

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read or written.
    #[error("bundle {path}: {source}")]
    File {
        /// Path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{path} is no bundle: {why}")]
    Foreign {
        /// Path.
        path: String,
        /// What it lacks.
        why: String,
    },
    /// It ends before its manifest.
    #[error("bundle {path} is cut short: it ends before its manifest")]
    Short {
        /// Path.
        path: String,
    },
    /// Another version of refarch wrote it.
    #[error("bundle {path} has format {found}, and this refarch reads format {expected}")]
    Format {
        /// Path.
        path: String,
        /// Its format.
        found: u64,
        /// What can be read.
        expected: u64,
    },
    /// Something in it is not what its manifest says.
    #[error("bundle {path} is damaged: {file} {why}")]
    Damaged {
        /// Path.
        path: String,
        /// Member.
        file: String,
        /// How.
        why: String,
    },
    /// It is not the one that was asked for.
    #[error("bundle {path} is {found}, not {wanted}")]
    Another {
        /// Path.
        path: String,
        /// Its digest.
        found: String,
        /// The digest that was asked for.
        wanted: String,
    },
}

impl BundleError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { .. } => None,
            Self::Foreign { .. } => Some("make one with `refarch bundle ENVIRONMENT -o FILE`"),
            Self::Short { .. } | Self::Damaged { .. } => {
                Some("copy it again from where it was made; `sha256sum` there and here tells whether it arrived whole")
            }
            Self::Format { .. } => Some("make it anew with the refarch that shall use it"),
            Self::Another { .. } => Some("`refarch bundle` printed the digest of the one that was made"),
        }
    }
}
