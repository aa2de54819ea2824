//! The one protocol of everything that takes long: `Azure-AsyncOperation`, else `Location`, else the resource's own
//! `provisioningState`; each question after the time that the last answer asked for.

use std::time::{Duration, Instant};

use azure_core::http::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::{
    AzureError, Client, Condition,
    client::{Answer, decode},
    error::Told,
};

/// However little patience an answer asks for.
const AT_LEAST: Duration = Duration::from_millis(50);
/// How often a change is sent again after somebody else's operation ended.
const BUSY_AT_MOST: u32 = 5;

#[derive(Deserialize)]
struct Status {
    status: String,
    error: Option<Told>,
}

impl Client {
    /// Sends a change and follows it to its end. Gives the resource as it is then; null after a removal.
    pub(super) async fn change(
        &self,
        method: Method,
        id: &str,
        action: &str,
        version: &str,
        body: Option<Vec<u8>>,
        condition: Condition<'_>,
    ) -> Result<Value, AzureError> {
        let (action, asked) = action.split_once('?').unwrap_or((action, ""));
        let path = if action.is_empty() { id.to_owned() } else { format!("{id}/{action}") };
        let query: Vec<_> = [("api-version", version)].into_iter().chain(asked.split_once('=')).collect();
        let url = self.url(&path, &query)?;
        let mut busy = 0;
        let answer = loop {
            match self.send(method, &url, body.clone(), condition).await {
                // An answer that was lost may belong to a change that goes on: the same change waits for it.
                Err(error) if error.is_busy() && busy < BUSY_AT_MOST => {
                    busy += 1;
                    self.settled(id, version).await?;
                }
                answer => break answer?,
            }
        };
        let direct = answer.status != 202 && answer.operation.is_none();
        if direct && (method == Method::Delete || answer.body.is_empty()) {
            return Ok(Value::Null);
        }
        if direct {
            let made: Value = decode(id, &answer.body)?;
            // Some resources say only in their body that they go on.
            return if going_on(&made) { self.resource(id, version).await } else { ended(made) };
        }
        self.follow(&answer).await?;
        match method {
            Method::Delete => Ok(Value::Null),
            Method::Post => Ok(Value::Null),
            _ => self.resource(id, version).await,
        }
    }

    /// Asks the operation until it has ended.
    async fn follow(&self, first: &Answer) -> Result<(), AzureError> {
        let began = Instant::now();
        let mut wait = first.retry_after;
        let Some(address) = first.operation.as_ref().or(first.location.as_ref()) else { return Ok(()) };
        let mut url = self.own(address)?;
        loop {
            self.pause(wait, began, "the operation").await?;
            match self.step(&url, first.operation.is_some()).await? {
                Step::Ended => return Ok(()),
                Step::GoesOn { retry_after, next } => {
                    wait = retry_after;
                    url = next.unwrap_or(url);
                }
            }
        }
    }

    async fn step(&self, url: &Url, has_status: bool) -> Result<Step, AzureError> {
        let answer = match self.send(Method::Get, url, None, Condition::Always).await {
            // Azure forgets operations after a while; the resource itself tells how it ended.
            Err(error) if error.is_missing() => return Ok(Step::Ended),
            answer => answer?,
        };
        if !has_status {
            if answer.status != 202 {
                return Ok(Step::Ended);
            }
            let next = answer.location.as_deref().map(|address| self.own(address)).transpose()?;
            return Ok(Step::GoesOn { retry_after: answer.retry_after, next });
        }
        let status: Status = decode("an operation", &answer.body)?;
        match status.status.to_ascii_lowercase().as_str() {
            "succeeded" => Ok(Step::Ended),
            "failed" | "canceled" | "cancelled" => Err(AzureError::operation(status.error, &status.status)),
            _ => Ok(Step::GoesOn { retry_after: answer.retry_after, next: None }),
        }
    }

    /// The resource once nothing goes on in it.
    async fn resource(&self, id: &str, version: &str) -> Result<Value, AzureError> {
        match self.settled(id, version).await? {
            Some(value) => ended(value),
            None => Err(AzureError {
                status: 404,
                ..AzureError::new("ResourceNotFound", format!("{id} was made and is gone"))
            }),
        }
    }

    /// Waits until nothing goes on in a resource, well or badly; none where it is not there.
    ///
    /// # Errors
    /// When Azure does not answer, or it goes on for too long.
    pub async fn settled(&self, id: &str, version: &str) -> Result<Option<Value>, AzureError> {
        let began = Instant::now();
        loop {
            let url = self.url(id, &[("api-version", version)])?;
            let answer = match self.send(Method::Get, &url, None, Condition::Always).await {
                Err(error) if error.is_missing() => return Ok(None),
                answer => answer?,
            };
            let value: Value = decode(id, &answer.body)?;
            if !going_on(&value) {
                return Ok(Some(value));
            }
            self.pause(answer.retry_after, began, id).await?;
        }
    }

    /// Waits before the next question: as long as the last answer asked for, until patience is at its end.
    pub(super) async fn pause(&self, wait: Option<Duration>, began: Instant, what: &str) -> Result<(), AzureError> {
        if began.elapsed() > self.patience.total {
            let minutes = self.patience.total.as_secs() / 60;
            return Err(AzureError::new("NoAnswer", format!("{what} still goes on after {minutes} minutes")));
        }
        tokio::time::sleep(wait.unwrap_or(self.patience.between).max(AT_LEAST)).await;
        Ok(())
    }
}

enum Step {
    Ended,
    GoesOn { retry_after: Option<Duration>, next: Option<Url> },
}

/// `properties.provisioningState`, in whatever case the service writes it.
#[must_use]
pub fn provisioning_state(value: &Value) -> Option<&str> {
    value.get("properties")?.get("provisioningState")?.as_str()
}

fn going_on(value: &Value) -> bool {
    provisioning_state(value)
        .is_some_and(|state| !["succeeded", "failed", "canceled"].contains(&state.to_ascii_lowercase().as_str()))
}

/// What has ended, if it ended well.
fn ended(value: Value) -> Result<Value, AzureError> {
    match provisioning_state(&value) {
        Some(state) if !state.eq_ignore_ascii_case("succeeded") => Err(AzureError::operation(None, state)),
        _ => Ok(value),
    }
}
