//! Saved plans: `plan -o FILE`, and `apply FILE` that does exactly that.

use std::{io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::{Plan, PlanError};

/// Raised whenever an older refarch would misread the file.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Saved<P> {
    format: u64,
    digest: String,
    plan: P,
}

impl Plan {
    /// Writes the plan as JSON, readable by its owner only, all of it or nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PlanError> {
        let saved = Saved { format: FORMAT, digest: self.digest(), plan: self };
        let failed = |source: std::io::Error| PlanError::File { path: path.display().to_string(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        serde_json::to_writer_pretty(&mut file, &saved).map_err(|error| failed(error.into()))?;
        file.write_all(b"\n").and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Reads a plan that [`Plan::save`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read, is no plan, has another format, was edited, or cannot be run.
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let name = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| PlanError::File { path: name(), source })?;
        let bad = |reason: String| PlanError::Format { path: name(), reason };
        // The format first: a plan of another version may not fit today's types.
        let saved: Saved<serde_json::Value> = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if saved.format != FORMAT {
            return Err(PlanError::Version { path: name(), found: saved.format, expected: FORMAT });
        }
        let plan: Self = serde_json::from_value(saved.plan).map_err(|error| bad(error.to_string()))?;
        if plan.digest() != saved.digest {
            return Err(bad("its digest does not fit: it was changed after it was saved".to_owned()));
        }
        plan.validate()?;
        Ok(plan)
    }
}
