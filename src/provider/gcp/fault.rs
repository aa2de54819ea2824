//! Google's refusals: what they mean, whether they pass, what to do.

use google_cloud_gax::error::{Error, rpc::StatusDetails};

use crate::provider::{ErrorClass, ProviderError};

/// A call that was refused, or an operation that ended in an error.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// HTTP status; 0 where there was no answer.
    pub status: u16,
    /// Google's own word: `notFound`, `quotaExceeded`, `ZONE_RESOURCE_POOL_EXHAUSTED`.
    pub reason: String,
    /// Google's own sentence.
    pub message: String,
    /// The credentials are missing or of no use.
    credentials: bool,
}

/// Reasons that pass by themselves.
const PASSING: [&str; 8] = [
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "backendError",
    "internalError",
    "resourceNotReady",
    "INTERNAL_ERROR",
    "RESOURCE_NOT_READY",
    "RATE_LIMIT_EXCEEDED",
];

impl Fault {
    /// An answer that this client read itself.
    pub(super) fn answer(status: u16, reason: &str, message: &str) -> Self {
        Self { status, reason: reason.to_owned(), message: message.to_owned(), credentials: status == 401 }
    }

    /// Whether what was asked for is not there.
    pub(super) fn missing(&self) -> bool {
        self.status == 404
    }

    /// Whether what was to be made is there.
    pub(super) fn exists(&self) -> bool {
        self.status == 409 || self.reason == "RESOURCE_ALREADY_EXISTS"
    }

    /// Whether something else still uses it.
    pub(super) fn in_use(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "resourceInUseByAnotherResource" | "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE" | "resourceNotReady"
        )
    }

    /// Whether a fingerprint was no longer the current one.
    pub(super) fn stale(&self) -> bool {
        self.status == 412 && self.message.to_lowercase().contains("fingerprint")
    }

    /// Whether there is no machine of this type left in this zone.
    pub(super) fn capacity(&self) -> bool {
        self.reason.contains("RESOURCE_POOL_EXHAUSTED") || self.message.contains("RESOURCE_POOL_EXHAUSTED")
    }

    /// Whether the same call may succeed in a moment.
    pub(super) fn passes(&self) -> bool {
        if self.credentials || self.capacity() {
            return false;
        }
        self.status == 0
            || self.status == 429 && self.reason != "quotaExceeded"
            || self.status >= 500 && self.status != 501
            || PASSING.contains(&self.reason.as_str())
    }

    /// As the user is told.
    pub(super) fn told(&self, doing: impl Into<String>) -> ProviderError {
        let class = if self.passes() { ErrorClass::Transient } else { ErrorClass::Permanent };
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        let message = format!("{}{reason}", self.message.trim_end_matches('.'));
        ProviderError { doing: doing.into(), message, hint: self.hint().map(str::to_owned), class }
    }

    fn hint(&self) -> Option<&'static str> {
        let reason = self.reason.as_str();
        if self.credentials {
            return Some(
                "log in with `gcloud auth application-default login`, or name a key file in \
                 GOOGLE_APPLICATION_CREDENTIALS",
            );
        }
        if matches!(reason, "accessNotConfigured" | "SERVICE_DISABLED") {
            return Some("enable it with `gcloud services enable` as the message says, then repeat the command");
        }
        if matches!(reason, "quotaExceeded" | "QUOTA_EXCEEDED") {
            return Some("ask for more on the project's quota page (IAM & Admin, Quotas), then repeat the command");
        }
        if self.message.contains("constraints/") {
            return Some(
                "an organisation policy forbids it: ask its administrator, or see docs/gcp.md for another way",
            );
        }
        if self.status == 403 {
            return Some("ask for the permission that is named, then repeat the command: it goes on where it stopped");
        }
        if self.capacity() {
            return Some("Google has no machine of this type left there: name others under `cloud.equivalents`");
        }
        None
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = error.http_status_code().unwrap_or_default();
        let reason = error.status().and_then(|status| {
            status.details.iter().find_map(|detail| match detail {
                StatusDetails::ErrorInfo(info) if !info.reason.is_empty() => Some(info.reason.clone()),
                _ => None,
            })
        });
        let message = match error.status() {
            Some(status) if !status.message.is_empty() => status.message.clone(),
            _ => chain(&error),
        };
        let credentials = error.is_authentication() || status == 401;
        let status = if status == 0 && (error.is_binding() || error.is_serialization()) { 400 } else { status };
        Self { status, reason: reason.unwrap_or_default(), message, credentials }
    }
}

/// An error with what it came from, without repetitions.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let told = cause.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        for (status, reason, passes) in [
            (0, "", true),
            (429, "rateLimitExceeded", true),
            (403, "rateLimitExceeded", true),
            (403, "quotaExceeded", false),
            (403, "forbidden", false),
            (400, "resourceNotReady", true),
            (400, "invalid", false),
            (503, "backendError", true),
            (503, "ZONE_RESOURCE_POOL_EXHAUSTED", false),
            (401, "authError", false),
        ] {
            assert_eq!(Fault::answer(status, reason, "").passes(), passes, "{status} {reason}");
        }
    }
}
