//! Saved plans: `plan -o FILE` keeps what would be done together with what it was made from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Request, Session};
use crate::{exit, plan::Plan, workspace::write_private};

const KIND: &str = "refarch plan";
const START: &str = r#"{"kind":"refarchplan","#;

/// A plan that was saved, and the environment it was made for.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    kind: String,
    file: PathBuf,
    sets: Vec<String>,
    roles: Option<PathBuf>,
    workspace: Option<PathBuf>,
    digest: String,
    plan: Plan,
}

impl Session {
    /// Saves a plan, readable by its owner only.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_plan(&self, plan: &Plan, path: &Path) -> Result<(), Error> {
        let saved = SavedPlan {
            kind: KIND.to_owned(),
            file: std::path::absolute(&self.request.file).unwrap_or_else(|_| self.request.file.clone()),
            sets: self.request.sets.clone(),
            roles: self.request.roles.clone(),
            workspace: self.request.workspace.clone(),
            digest: plan.digest(),
            plan: plan.clone(),
        };
        let text = serde_json::to_vec_pretty(&saved)
            .map_err(|error| Error::refused(exit::FAILED, format!("the plan cannot be written: {error}"), None))?;
        Ok(write_private(path, &text)?)
    }
}

impl SavedPlan {
    /// Reads a saved plan; none where the file is something else, such as an environment file.
    ///
    /// # Errors
    /// When it says that it is a plan and cannot be read as one.
    pub fn load(path: &Path) -> Result<Option<Self>, Error> {
        let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
        // The kind comes first in what is saved, so that half a plan is told from an environment file as well.
        if !text.chars().filter(|character| !character.is_whitespace()).take(40).collect::<String>().starts_with(START)
        {
            return Ok(None);
        }
        let bad = |why: String| {
            Error::refused(
                exit::FAILED,
                format!("{} is not a whole plan: {why}", path.display()),
                Some("save a new one with `refarch plan -o FILE`"),
            )
        };
        let saved: Self = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if saved.plan.digest() != saved.digest {
            return Err(bad("it was changed after it was saved".to_owned()));
        }
        Ok(Some(saved))
    }

    /// What to open the session with.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            file: self.file.clone(),
            sets: self.sets.clone(),
            roles: self.roles.clone(),
            workspace: self.workspace.clone(),
        }
    }

    /// Whether the plan ends with the machines.
    #[must_use]
    pub fn is_infrastructure_only(&self) -> bool {
        self.plan.infrastructure_only
    }

    /// Holds the saved plan against one made now.
    ///
    /// # Errors
    /// When they differ: the world, or the environment file, moved.
    pub fn still_holds(&self, now: &Plan) -> Result<(), Error> {
        if now.digest() == self.digest {
            return Ok(());
        }
        let differs = now
            .steps
            .iter()
            .find(|step| {
                self.plan.step(&step.id).is_none_or(|old| old.changes != step.changes || old.needs != step.needs)
            })
            .map(|step| step.id.to_string())
            .or_else(|| {
                self.plan.steps.iter().find(|step| now.step(&step.id).is_none()).map(|step| step.id.to_string())
            })
            .unwrap_or_default();
        Err(Error::refused(
            exit::FAILED,
            format!(
                "the plan does not fit any more: the environment changed since it was saved (first difference: {differs})"
            ),
            Some("look at a new plan with `refarch plan`"),
        ))
    }
}
