//! What went wrong with a call to the resource manager.

use serde::Deserialize;

/// Codes of refusals that pass by themselves: somebody else's operation on the same or a neighbouring resource.
const PASSING: [&str; 8] = [
    "AnotherOperationInProgress",
    "Conflict",
    "ReferencedResourceNotProvisioned",
    "RetryableError",
    "ResourceGroupBeingDeleted",
    "StorageAccountIsNotProvisioned",
    "AttachDiskWhileBeingDetached",
    "InternalServerError",
];

/// A failed call, or an operation that ended badly after its call was accepted.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}{}", request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct AzureError {
    /// HTTP status; 0 where no answer came, or where an accepted operation ended badly.
    pub status: u16,
    /// Azure's own code, for example `SkuNotAvailable`; `NoAnswer` and `NoToken` are of this client's making.
    pub code: String,
    /// Azure's own words.
    pub message: String,
    /// What the administrator's support wants to know.
    pub request_id: Option<String>,
}

impl AzureError {
    /// An error of this client's making.
    pub(in crate::provider::azure) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 0, code: code.to_owned(), message: message.into(), request_id: None }
    }

    /// From an answer that is no success.
    pub(super) fn answered(status: u16, body: &[u8], request_id: Option<String>) -> Self {
        let told = serde_json::from_slice::<Envelope>(body).ok().and_then(|envelope| envelope.error);
        let (code, message) = match told {
            Some(told) => told.into_words(),
            None => (format!("Status{status}"), String::from_utf8_lossy(body).chars().take(300).collect()),
        };
        Self { status, code, message, request_id }
    }

    /// From the `error` of an operation.
    pub(super) fn operation(told: Option<Told>, status: &str) -> Self {
        let (code, message) =
            told.map_or_else(|| (format!("Operation{status}"), "Azure gives no reason".to_owned()), Told::into_words);
        Self { status: 0, code, message, request_id: None }
    }

    /// Whether what was asked for is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.status == 404
    }

    /// Whether the same call may succeed in a moment.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
            || self.code == "NoAnswer"
            || PASSING.contains(&self.code.as_str())
    }

    /// Whether another operation on the resource has to end first.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.code.as_str(), "AnotherOperationInProgress" | "Conflict" | "ReferencedResourceNotProvisioned")
    }

    /// Whether the zone or the region has no room for this size at the moment: another zone or size may do.
    #[must_use]
    pub fn is_out_of_room(&self) -> bool {
        matches!(
            self.code.as_str(),
            "SkuNotAvailable"
                | "ZonalAllocationFailed"
                | "AllocationFailed"
                | "OverconstrainedAllocationRequest"
                | "OverconstrainedZonalAllocationRequest"
        )
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: Option<Told>,
}

/// Azure's `error` object.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Told>,
}

impl Told {
    /// Code and message; the details' where the error itself says nothing.
    fn into_words(self) -> (String, String) {
        let Self { code, mut message, details } = self;
        for detail in details {
            let (inner, words) = detail.into_words();
            message = [message, format!("{inner}: {words}")]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join("; ");
        }
        (code, message)
    }
}
