//! Compute Engine answers a mutation with an operation that ends later, well or in an error. All that are open are asked
//! for with one question.

use std::{collections::BTreeMap, time::Duration};

use google_cloud_compute_v1::model::{Operation, operation::Status};
use google_cloud_gax::{error::Error, paginator::ItemPaginator as _};

use super::{clients::Clients, fault::Fault};
use crate::provider::{
    ProviderError,
    cloud::waits::{Pace, Waits},
};

/// The longest that an operation is waited for.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Names in one question: more would make its address too long.
const NAMES: usize = 60;

/// How an operation ended.
#[derive(Debug, Clone)]
struct Ended(Option<Fault>);

/// Open operations of one project.
#[derive(Debug)]
pub(super) struct Operations {
    waits: Waits<Ended>,
}

impl Default for Operations {
    fn default() -> Self {
        Self { waits: Waits::new(Pace { first: Duration::from_millis(300), most: Duration::from_secs(5) }) }
    }
}

impl Operations {
    /// Waits for what a mutation began. An operation that is done is not one that went well: its error counts.
    pub(super) async fn finish(
        &self,
        clients: &Clients,
        project: &str,
        doing: &str,
        answer: Result<Operation, Error>,
    ) -> Result<(), Fault> {
        let operation = answer?;
        if operation.status == Some(Status::Done) {
            return ended(operation).map_or(Ok(()), Err);
        }
        let Some(name) = operation.name else {
            return Err(Fault::answer(0, "", "Google answered with an operation that has no name"));
        };
        let ask = |names: Vec<String>| listed(clients, project, names);
        match self.waits.until(doing, &name, |state| state.is_some(), LONGEST, ask).await {
            Ok(Some(Ended(None))) => Ok(()),
            Ok(Some(Ended(Some(fault)))) => Err(fault),
            Ok(None) => Err(Fault::answer(0, "", &format!("operation {name} was lost sight of"))),
            Err(error) => Err(Fault::answer(504, "", &error.message)),
        }
    }
}

/// Those operations that are done.
async fn listed(
    clients: &Clients,
    project: &str,
    names: Vec<String>,
) -> Result<BTreeMap<String, Ended>, ProviderError> {
    let mut done = BTreeMap::new();
    for names in names.chunks(NAMES) {
        let filter: Vec<String> = names.iter().map(|name| format!("(name = {name})")).collect();
        let mut pages =
            clients.operations.aggregated_list().set_project(project).set_filter(filter.join(" OR ")).by_item();
        while let Some(item) = pages.next().await {
            let (_, scope) = item.map_err(|error| Fault::from(error).told("ask for operations"))?;
            for operation in scope.operations.into_iter().filter(|one| one.status == Some(Status::Done)) {
                if let Some(name) = operation.name.clone() {
                    done.insert(name, Ended(ended(operation)));
                }
            }
        }
    }
    Ok(done)
}

/// The error that an operation ended with.
fn ended(operation: Operation) -> Option<Fault> {
    let status = operation.http_error_status_code.and_then(|code| u16::try_from(code).ok()).unwrap_or(400);
    let first = operation.error.as_ref().and_then(|error| error.errors.first().cloned());
    let told = operation.clone().to_result().err()?;
    let (reason, message) = match first {
        Some(first) => (first.code.unwrap_or_default(), first.message.unwrap_or_default()),
        None => (String::new(), told.to_string()),
    };
    Some(Fault::answer(status, &reason, &message))
}
