//! The connection to the container engine, and its errors in refarch's words.

use bollard::{Docker, errors::Error};

use crate::provider::{ErrorClass, ProviderError};

/// Connects to the engine that `DOCKER_HOST` names, else to the one of this machine.
///
/// No request is sent yet.
pub fn connect() -> Result<Docker, ProviderError> {
    Docker::connect_with_defaults().map_err(|error| failed("connect to the container engine", error))
}

/// A failed call as an error of the provider.
pub fn failed(doing: impl Into<String>, error: Error) -> ProviderError {
    let doing = doing.into();
    match error {
        Error::DockerResponseServerError { status_code, message } => ProviderError {
            doing,
            hint: hint(&message),
            class: if is_passing(status_code, &message) { ErrorClass::Transient } else { ErrorClass::Permanent },
            message,
        },
        Error::DockerStreamError { error } => {
            ProviderError { doing, hint: hint(&error), message: error, class: ErrorClass::Permanent }
        }
        Error::RequestTimeoutError => ProviderError {
            doing,
            message: "the container engine did not answer in time".to_owned(),
            hint: Some("look at the load of this machine, and at the engine's log".to_owned()),
            class: ErrorClass::Transient,
        },
        other => ProviderError {
            doing,
            message: chain(&other),
            hint: Some(
                "is the container engine running, and may you use it? `docker info` tells; DOCKER_HOST names another"
                    .to_owned(),
            ),
            class: ErrorClass::Transient,
        },
    }
}

/// A failure that is not the engine's.
pub fn permanent(doing: impl Into<String>, message: impl Into<String>, hint: Option<String>) -> ProviderError {
    ProviderError { doing: doing.into(), message: message.into(), hint, class: ErrorClass::Permanent }
}

/// The engine's status for this error, where it answered.
pub fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Success where the engine's answer is one of `codes`: what was asked for is so already.
pub fn unless_status(result: Result<(), Error>, codes: &[u16]) -> Result<(), Error> {
    match result {
        Err(error) if status(&error).is_some_and(|code| codes.contains(&code)) => Ok(()),
        other => other,
    }
}

fn is_passing(status: u16, message: &str) -> bool {
    let busy = ["busy", "timeout", "timed out", "in progress", "has active endpoints", "temporarily"];
    status == 429 || status == 503 || (status >= 409 && busy.iter().any(|word| message.contains(word)))
}

fn hint(message: &str) -> Option<String> {
    if message.contains("overlap") {
        Some("set `local.subnet` in the environment file to a network that nothing here uses".to_owned())
    } else if message.contains("port is already allocated") || message.contains("address already in use") {
        Some("set `local.publish` in the environment file to a port that is free, or leave it out".to_owned())
    } else if message.contains("no space left") {
        Some("`docker system df` shows what takes room; `docker image prune` frees unused images".to_owned())
    } else {
        None
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> ProviderError {
        failed("test", Error::DockerResponseServerError { status_code, message: message.to_owned() })
    }

    #[test]
    fn answers_are_sorted_by_whether_a_repetition_helps() {
        assert_eq!(answer(403, "network demo has active endpoints").class, ErrorClass::Permanent);
        assert_eq!(answer(409, "removal of container x is already in progress").class, ErrorClass::Transient);
        assert_eq!(answer(500, "device or resource busy").class, ErrorClass::Transient);
        assert_eq!(answer(404, "no such image").class, ErrorClass::Permanent);
        assert_eq!(answer(503, "starting").class, ErrorClass::Transient);
    }

    #[test]
    fn a_network_that_is_taken_has_a_hint() {
        let error = answer(403, "Pool overlaps with other one on this address space");
        assert!(error.hint.is_some_and(|hint| hint.contains("local.subnet")));
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_said_so() {
        let engine = Docker::connect_with_unix("/nonexistent/engine.sock", 5, bollard::API_DEFAULT_VERSION);
        let error = match engine {
            Err(error) => error,
            Ok(engine) => engine.ping().await.unwrap_err(),
        };
        let error = failed("ask the engine", error);
        assert!(error.hint.is_some_and(|hint| hint.contains("docker info")), "{}", error.message);
    }
}
