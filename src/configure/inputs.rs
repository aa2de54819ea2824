//! What a role is rendered from, and what can go wrong with that.

use std::collections::BTreeMap;

use crate::{catalog::StackCatalog, topology::Topology};

/// Everything that rendering needs.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The stack.
    pub catalog: &'a StackCatalog,
    /// The resolved environment.
    pub topology: &'a Topology,
    /// Address of every node on the environment's network, and host of every balancer of the cloud. What does not exist
    /// yet needs a placeholder.
    pub addresses: &'a BTreeMap<String, String>,
    /// Secrets by name.
    pub secrets: &'a dyn SecretSource,
    /// Folder of the environment file, from which the user's own files are read; none where stand-ins shall do.
    pub folder: Option<&'a std::path::Path>,
}

/// Hands out the values of secrets.
pub trait SecretSource: Send + Sync {
    /// A password or key.
    fn text(&self, name: &str) -> Option<String>;

    /// Certificate and private key in PEM: of an authority, or of a certificate made for this node.
    fn pair(&self, name: &str, node: &str) -> Option<(String, String)>;

    /// Certificate of the environment's own authority in PEM; of both, while it is rotated.
    fn ca_certificate(&self) -> Option<String>;

    /// The values of a password or key that are good, each with its slot, the one in use first: two while it is
    /// rotated.
    fn accepted(&self, name: &str) -> Vec<(u8, String)> {
        self.text(name).map(|text| (0, text)).into_iter().collect()
    }

    /// Which of two logins the value in use belongs to: 0 or 1, the other one after every rotation. No secret.
    fn slot(&self, name: &str) -> u8 {
        let _ = name;
        0
    }
}

/// Why a role could not be rendered for a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The topology has no such node.
    #[error("there is no node `{0}`")]
    UnknownNode(String),
    /// The node does not carry the role, or the stack does not have it.
    #[error("node `{node}` has no role `{role}`")]
    UnknownRole {
        /// Node.
        node: String,
        /// Role.
        role: String,
    },
    /// No address is known for a node.
    #[error("the address of `{0}` is not known")]
    NoAddress(String),
    /// A template is wrong, or wrong for this node.
    #[error("{file}:{line}: {message}{}", of(.node))]
    Template {
        /// File as the user knows it.
        file: String,
        /// Line from 1.
        line: usize,
        /// Node it was rendered for; empty where it was only parsed.
        node: String,
        /// What is wrong.
        message: String,
    },
    /// A text that shows in logs reads a secret.
    #[error("{file}:{line}: {what} reads a secret, and its text appears in logs; let it read a file instead")]
    SecretShown {
        /// File.
        file: String,
        /// Line from 1.
        line: usize,
        /// Which text.
        what: String,
    },
    /// A name that cannot be used on a node.
    #[error("{file}:{line}: {message}")]
    Value {
        /// File.
        file: String,
        /// Line from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

fn of(node: &str) -> String {
    if node.is_empty() { String::new() } else { format!(" (for {node})") }
}
