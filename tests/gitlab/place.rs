//! Environments as a user would write them, and what is written for their nodes.

use std::{collections::BTreeMap, fs, path::PathBuf};

use refarch::{
    catalog::{Catalog, ProductSettings, StackCatalog},
    configure::{Stage, Want},
    session::{Request, Session},
};

/// An environment file in a folder of its own, opened.
pub struct Place {
    _folder: tempfile::TempDir,
    pub session: Session,
}

impl Place {
    /// A size with more lines at the end of its file.
    pub fn new(size: &str, more: &str) -> Self {
        Self::with_files(size, more, &[])
    }

    /// The same with files beside it.
    pub fn with_files(size: &str, more: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let file = folder.path().join("environment.yaml");
        let head = "name: demo\nprovider: local\nstack: gitlab\nexternal_url: https://git.example.com\n";
        fs::write(&file, format!("{head}architecture: {size}\n{more}")).unwrap();
        let workspace = Some(folder.path().join("work"));
        let session = Session::open(&Request { file, sets: Vec::new(), roles: None, workspace });
        Self { session: session.unwrap_or_else(|error| panic!("{size} {more}: {error}")), _folder: folder }
    }

    /// Node -> its stages, as `render` shows them.
    pub fn stages(&self) -> BTreeMap<String, Vec<Stage>> {
        self.session.preview().unwrap()
    }

    /// Why nothing can be rendered.
    pub fn refusal(&self) -> String {
        self.session.preview().expect_err("it is refused").to_string()
    }

    /// A file of a node; none where it is not written.
    pub fn file(&self, node: &str, path: &str) -> Option<String> {
        file(&self.stages()[node], path)
    }

    /// What a node must offer before anything changes, as shell texts. That its data may stay where it is, is tried for every
    /// change of size (`tests/sizes.rs`).
    pub fn requirements(&self, node: &str) -> Vec<String> {
        let items = self.stages()[node].iter().flat_map(|stage| stage.resources.clone()).collect::<Vec<_>>();
        let texts = items.into_iter().filter_map(|item| match item.want {
            Want::Requirement { run } if !item.id.ends_with("the data is kept as it was") => Some(run),
            _ => None,
        });
        texts.collect()
    }

    /// A node's gitlab.rb.
    pub fn rb(&self, node: &str) -> String {
        self.file(node, "/etc/gitlab/gitlab.rb").unwrap_or_else(|| panic!("{node} has no gitlab.rb"))
    }

    /// Every node's gitlab.rb.
    pub fn all_rb(&self) -> BTreeMap<String, String> {
        let stages = self.stages();
        stages.into_iter().filter_map(|(node, stages)| Some((node, file(&stages, "/etc/gitlab/gitlab.rb")?))).collect()
    }
}

pub fn file(stages: &[Stage], path: &str) -> Option<String> {
    stages.iter().flat_map(|stage| &stage.resources).find_map(|item| match &item.want {
        Want::File { path: own, content, .. } if own == path => Some(String::from_utf8(content.to_vec()).unwrap()),
        _ => None,
    })
}

pub fn catalog() -> StackCatalog {
    Catalog::load("gitlab", None).unwrap_or_else(|error| panic!("{error}"))
}

pub fn known() -> ProductSettings {
    catalog().product_settings().unwrap()
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
