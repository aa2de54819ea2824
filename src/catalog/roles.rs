//! Reading a stack: its roles, their templates and files, from the binary or from a folder.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{Drills, ProductSettings, Role, StackSpec, consistency, embedded};
use crate::diagnostic::{Diagnostic, Place};

/// Folder of a stack that holds the scripts of its whole-path checks.
pub const CHECKS: &str = "checks";

/// Entry point to stacks.
pub struct Catalog;

/// A stack with everything below its folder, checked to be consistent in itself.
pub struct StackCatalog {
    /// Name of the stack.
    pub name: String,
    /// `stack.yaml`.
    pub stack: StackSpec,
    /// `drills.yaml`, where the stack has one.
    pub drills: Option<Drills>,
    /// Its roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Where it was read from, for messages: `roles/sandbox` or the folder that the user named.
    pub(super) origin: String,
    /// Every file by its path below the stack's folder.
    files: BTreeMap<String, Cow<'static, [u8]>>,
}

impl fmt::Debug for StackCatalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StackCatalog")
            .field("name", &self.name)
            .field("origin", &self.origin)
            .field("roles", &self.roles.keys().collect::<Vec<_>>())
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// Why a stack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no such stack.
    #[error("no stack is called `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The stacks there are.
        known: Vec<String>,
    },
    /// A folder or file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its files contradict each other or cannot be parsed; every fault that was found.
    #[error("{}", consistency::summary(.0))]
    Invalid(Vec<Diagnostic>),
}

impl Catalog {
    /// Reads a stack from the binary, or from `override_dir/<stack>` where a folder of stacks is given.
    ///
    /// # Errors
    /// When there is no such stack, a file cannot be read, or the stack is not consistent in itself; all faults
    /// of its files are reported together, with file and line.
    pub fn load(stack: &str, override_dir: Option<&Path>) -> Result<StackCatalog, CatalogError> {
        let (origin, files, known) = match override_dir {
            Some(dir) => {
                let folder = dir.join(stack);
                let files = if folder.is_dir() { read_folder(&folder)? } else { Vec::new() };
                (folder.display().to_string(), files, stacks_below(dir)?)
            }
            None => (format!("roles/{stack}"), embedded::stack_files(stack), embedded::stacks()),
        };
        if files.is_empty() {
            return Err(CatalogError::Unknown { name: stack.to_owned(), known });
        }
        StackCatalog::parse(stack, origin, files.into_iter().collect())
    }
}

impl StackCatalog {
    fn parse(name: &str, origin: String, files: BTreeMap<String, Cow<'static, [u8]>>) -> Result<Self, CatalogError> {
        let mut faults = Vec::new();
        let mut roles = BTreeMap::new();
        let (mut stack, mut drills) = (None, None);
        for (path, content) in &files {
            let place = format!("{origin}/{path}");
            match path.split('/').collect::<Vec<_>>()[..] {
                ["stack.yaml"] => stack = parse_yaml::<StackSpec>(&place, content, &mut faults),
                ["drills.yaml"] => drills = parse_yaml::<Drills>(&place, content, &mut faults),
                [folder, "role.yaml"] if !folder.starts_with('_') && folder != CHECKS => {
                    if let Some(role) = parse_yaml::<Role>(&place, content, &mut faults) {
                        roles.insert(folder.to_owned(), role);
                    }
                }
                _ => {}
            }
        }
        if !files.contains_key("stack.yaml") {
            faults.push(Diagnostic::error("", format!("`{origin}` has no stack.yaml")));
        }
        let Some(stack) = stack.filter(|_| faults.is_empty()) else {
            return Err(CatalogError::Invalid(faults));
        };
        let catalog = Self { name: name.to_owned(), stack, drills, roles, origin, files };
        let faults = consistency::faults(&catalog);
        if faults.is_empty() { Ok(catalog) } else { Err(CatalogError::Invalid(faults)) }
    }

    /// The packages of all roles by their names in Debian, sorted, each once; also those that only some nodes need.
    #[must_use]
    pub fn packages(&self) -> Vec<String> {
        let all = self.roles.values().flat_map(|role| {
            let fetched = role.fetches.iter().flat_map(|fetch| &fetch.packages).map(String::as_str);
            role.debian_packages().chain(fetched)
        });
        let all: BTreeSet<&str> = all.collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// The settings that versions of the stack's product know; none where it has no product.
    #[must_use]
    pub fn product_settings(&self) -> Option<ProductSettings> {
        let text = self.text(&self.stack.product.as_ref()?.settings)?;
        serde_json::from_str(text).ok()
    }

    /// Text of a template of a role, and its path below the stack's folder. A path that begins with `/` counts
    /// from the stack's folder, any other from the role's `templates/`.
    #[must_use]
    pub fn template(&self, role: &str, path: &str) -> Option<(String, &str)> {
        let full = Self::resolve(role, "templates", path);
        let text = self.text(&full)?;
        Some((full, text))
    }

    /// Content of a file of a role, counted from the role's `files/` or, with a leading `/`, from the stack's folder.
    #[must_use]
    pub fn file(&self, role: &str, path: &str) -> Option<&[u8]> {
        self.files.get(&Self::resolve(role, "files", path)).map(AsRef::as_ref)
    }

    /// Path below the stack's folder of a script: of the stack's `checks/`, or of any folder with a leading `/`.
    #[must_use]
    pub fn script_path(path: &str) -> String {
        path.strip_prefix('/').map_or_else(|| format!("{CHECKS}/{path}"), str::to_owned)
    }

    /// Text of the script of a whole-path check, and its path below the stack's folder.
    #[must_use]
    pub fn check_script(&self, path: &str) -> Option<(String, &str)> {
        let full = Self::script_path(path);
        let text = self.text(&full)?;
        Some((full, text))
    }

    /// SHA-256 over everything that a role consists of, shared folders included, in hexadecimal.
    #[must_use]
    pub fn digest(&self, role: &str) -> String {
        let mut hash = Sha256::new();
        for (path, content) in &self.files {
            let folder = path.split('/').next().unwrap_or_default();
            if folder == role || (folder.starts_with('_') && path.len() > folder.len()) {
                hash.update(path.as_bytes());
                hash.update([0]);
                hash.update((content.len() as u64).to_be_bytes());
                hash.update(content);
            }
        }
        format!("{:x}", hash.finalize())
    }

    /// Every template of the stack: path below the stack's folder, text. Files that are not UTF-8 are left out.
    pub fn templates(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, content)| {
            let second = path.split('/').nth(1)?;
            let first = path.split('/').next()?;
            let holds = second == "templates" || first == CHECKS || first.starts_with('_');
            Some((path.as_str(), std::str::from_utf8(content).ok()?)).filter(|_| holds)
        })
    }

    /// Path of a file of the stack as messages name it.
    #[must_use]
    pub fn place(&self, path: &str) -> String {
        format!("{}/{path}", self.origin)
    }

    /// Text of a file of the stack.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(path)?).ok()
    }

    /// Names of the folders right below the stack's.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        let mut last = "";
        self.files.keys().filter_map(move |path| {
            let (folder, _) = path.split_once('/')?;
            (folder != last).then(|| {
                last = folder;
                folder
            })
        })
    }

    fn resolve(role: &str, kind: &str, path: &str) -> String {
        match path.strip_prefix('/') {
            Some(rest) => rest.to_owned(),
            None => format!("{role}/{kind}/{path}"),
        }
    }
}

fn parse_yaml<T: DeserializeOwned>(place: &str, content: &[u8], faults: &mut Vec<Diagnostic>) -> Option<T> {
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(_) => {
            faults.push(Diagnostic::error("", format!("{place} is not UTF-8")));
            return None;
        }
    };
    match serde_saphyr::from_str::<T>(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let at = error.location().map(|location| Place {
                source: place.to_owned(),
                line: usize::try_from(location.line()).unwrap_or_default(),
                column: usize::try_from(location.column()).unwrap_or_default(),
                offset: 0,
                length: 0,
            });
            let message = error.to_string();
            faults.push(Diagnostic::error("", message.lines().next().unwrap_or_default()).at(at));
            None
        }
    }
}

fn stacks_below(dir: &Path) -> Result<Vec<String>, CatalogError> {
    let unreadable = |source| CatalogError::Read { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().join("stack.yaml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

type Files = Vec<(String, Cow<'static, [u8]>)>;

fn read_folder(root: &Path) -> Result<Files, CatalogError> {
    let mut files = Vec::new();
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        let unreadable = |source| CatalogError::Read { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let inside = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if path.is_dir() {
                open.push((path, inside));
            } else {
                let content =
                    std::fs::read(&path).map_err(|source| CatalogError::Read { path: path.clone(), source })?;
                files.push((inside, Cow::Owned(content)));
            }
        }
    }
    Ok(files)
}
