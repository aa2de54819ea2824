//! Faults that were made and not mended yet, written down before they are made.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::Machine,
    workspace::{Workspace, WorkspaceError, failed, write_private},
};

/// A fault that somebody has to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFault {
    /// Unique: the run and a number.
    pub id: String,
    /// Drill it belongs to.
    pub drill: String,
    /// Node.
    pub node: String,
    /// What happened to the machine.
    pub machine: Option<Machine>,
    /// What mends it.
    pub undo: Option<String>,
    /// When it was written down.
    pub at: Timestamp,
}

/// The file of open faults of an environment.
#[derive(Debug, Clone)]
pub struct OpenFaults {
    path: PathBuf,
}

impl OpenFaults {
    /// Those of a workspace.
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        Self { path: workspace.faults() }
    }

    /// All of them, the oldest first.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn list(&self) -> Result<Vec<OpenFault>, WorkspaceError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| failed("cannot read", &self.path)(error.into()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed("cannot read", &self.path)(error)),
        }
    }

    /// Writes a fault down, so that it survives this process.
    ///
    /// # Errors
    /// When it cannot be written: then nothing may be broken.
    pub fn open(&self, fault: &OpenFault) -> Result<(), WorkspaceError> {
        let mut all = self.list()?;
        all.push(fault.clone());
        self.write(&all)
    }

    /// Forgets a fault that is mended.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close(&self, id: &str) -> Result<(), WorkspaceError> {
        let mut all = self.list()?;
        all.retain(|fault| fault.id != id);
        if all.is_empty() {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(failed("cannot remove", &self.path)(error))
                }
                _ => Ok(()),
            };
        }
        self.write(&all)
    }

    fn write(&self, all: &[OpenFault]) -> Result<(), WorkspaceError> {
        let text = serde_json::to_vec_pretty(all).map_err(|error| failed("cannot write", &self.path)(error.into()))?;
        write_private(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_there_until_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::for_environment(&folder.path().join("3k.yaml"), "demo", None);
        workspace.create().unwrap();
        let faults = OpenFaults::of(&workspace);
        assert_eq!(faults.list().unwrap(), []);
        let fault = |id: &str| OpenFault {
            id: id.to_owned(),
            drill: "app-killed".to_owned(),
            node: "demo-app-1".to_owned(),
            machine: Some(Machine::Stop),
            undo: None,
            at: Timestamp::UNIX_EPOCH,
        };
        faults.open(&fault("a")).unwrap();
        faults.open(&fault("b")).unwrap();
        // Another process reads what this one wrote.
        assert_eq!(OpenFaults::of(&workspace).list().unwrap(), [fault("a"), fault("b")]);
        faults.close("a").unwrap();
        faults.close("a").unwrap();
        assert_eq!(faults.list().unwrap(), [fault("b")]);
        faults.close("b").unwrap();
        assert!(!workspace.faults().exists());
    }
}
