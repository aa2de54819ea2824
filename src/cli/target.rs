//! Which environment a verb is for.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::session::Request;

const DEFAULT: &str = "refarch.yaml";

/// The environment, as the first argument.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Environment file
    #[arg(value_name = "ENVIRONMENT")]
    pub file: Option<PathBuf>,
    /// What is laid over it
    #[command(flatten)]
    pub layers: Layers,
}

/// The environment, as an option: for verbs whose first argument is something else.
#[derive(Debug, Clone, Args)]
pub struct TargetOption {
    /// Environment file
    #[arg(short = 'e', long = "env", value_name = "ENVIRONMENT")]
    pub file: Option<PathBuf>,
    /// What is laid over it
    #[command(flatten)]
    pub layers: Layers,
}

/// What is laid over the environment file.
#[derive(Debug, Clone, Default, Args)]
pub struct Layers {
    /// Set one value of the environment: `nodes.app.count=5`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Folder of roles to use instead of those in the binary
    #[arg(long, value_name = "DIR", env = "REFARCH_ROLES")]
    pub roles: Option<PathBuf>,
}

impl From<TargetOption> for Target {
    fn from(option: TargetOption) -> Self {
        Self { file: option.file, layers: option.layers }
    }
}

impl Target {
    /// What a session is opened with.
    ///
    /// # Errors
    /// When no environment file is named or found.
    pub fn request(&self) -> Result<Request, Failure> {
        Ok(Request {
            file: self.file()?,
            sets: self.layers.sets.clone(),
            roles: self.layers.roles.clone(),
            workspace: std::env::var_os("REFARCH_WORKSPACE").filter(|value| !value.is_empty()).map(PathBuf::from),
        })
    }

    /// The environment file: the one named, the one in `$REFARCH_ENVIRONMENT`, or `refarch.yaml` here or above.
    ///
    /// # Errors
    /// When there is none.
    pub fn file(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        if let Some(file) = std::env::var_os("REFARCH_ENVIRONMENT").filter(|value| !value.is_empty()) {
            return Ok(file.into());
        }
        let here = std::env::current_dir()
            .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}")))?;
        here.ancestors().map(|folder| folder.join(DEFAULT)).find(|file| file.is_file()).ok_or_else(|| {
            Failure::usage("no environment file named").hint(format!(
                "name one (`refarch plan environments/local/3k.yaml`), set REFARCH_ENVIRONMENT, or make a \
                     {DEFAULT} with `refarch init`"
            ))
        })
    }
}
