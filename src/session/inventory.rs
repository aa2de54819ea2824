//! Which provider an environment has, and the machines that exist already.

use std::path::Path;

use indexmap::IndexMap;

use super::{Error, open::faults};
use crate::{
    catalog::StackCatalog,
    environment::{Environment, Loaded, ProviderKind},
    exit,
    provider::{Provider, static_::{Inventory, StaticProvider}},
    workspace::Workspace,
};
