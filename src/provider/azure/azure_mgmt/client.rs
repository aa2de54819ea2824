//! Calls to the resource manager: a resource's id, an api-version, a JSON body. All services are alike.

use std::{sync::Arc, time::Duration};

use azure_core::http::{
    Context, ExponentialRetryOptions, Method, Pipeline, PipelineSendOptions, RawResponse, Request, RetryOptions, Url,
    headers::{CONTENT_TYPE, HeaderName, RETRY_AFTER},
    policies::auth::BearerTokenAuthorizationPolicy,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{AzureError, Login, Place, credential::Chain};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const IF_MATCH: HeaderName = HeaderName::from_static("if-match");
const IF_NONE_MATCH: HeaderName = HeaderName::from_static("if-none-match");
/// Attempts after the first one, where an answer was lost or the service asked for patience.
const RETRIES: u32 = 6;

/// What must be true of the resource for a PUT to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Nothing: make it, or make it so.
    Always,
    /// It is not there yet.
    New,
    /// It is still as it was when this etag was read.
    Unchanged(&'a str),
}

/// How long operations are followed.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Between two questions, where Azure names no time.
    pub between: Duration,
    /// Until an operation that goes on is given up.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { between: Duration::from_secs(5), total: Duration::from_secs(60 * 60) }
    }
}

/// A client for one subscription.
#[derive(Debug, Clone)]
pub struct Client {
    pipeline: Pipeline,
    /// Without our token.
    bare: Pipeline,
    pub(super) place: Place,
    pub(super) patience: Patience,
    subscription: String,
}

/// An answer that was a success.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) retry_after: Option<Duration>,
    pub(super) operation: Option<String>,
    pub(super) location: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    value: Vec<Value>,
    #[serde(rename = "nextLink")]
    next: Option<String>,
}

impl Client {
    /// A client. Asks nothing yet.
    #[must_use]
    pub fn new(place: Place, login: Login, subscription: &str) -> Self {
        let mut options = place.options();
        options.retry = RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: azure_core::time::Duration::milliseconds(300),
            max_retries: RETRIES,
            // Azure may ask for some minutes when writes come too fast.
            max_total_elapsed: azure_core::time::Duration::minutes(20),
            ..ExponentialRetryOptions::default()
        });
        let chain = Arc::new(Chain::new(place.clone(), login));
        let bearer = Arc::new(BearerTokenAuthorizationPolicy::new(chain, [place.scope.clone()]));
        let version = Some(env!("CARGO_PKG_VERSION"));
        let bare = Pipeline::new(Some("refarch"), version, options.clone(), Vec::new(), Vec::new(), None);
        let pipeline = Pipeline::new(Some("refarch"), version, options, Vec::new(), vec![bearer], None);
        Self { pipeline, bare, place, patience: Patience::default(), subscription: subscription.to_owned() }
    }

    /// The same client with other patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// `/subscriptions/…`
    #[must_use]
    pub fn scope(&self) -> String {
        format!("/subscriptions/{}", self.subscription)
    }

    /// A resource; none where it is not there.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn get<T: DeserializeOwned>(&self, id: &str, version: &str) -> Result<Option<T>, AzureError> {
        self.get_with(id, &[("api-version", version)]).await
    }

    pub(super) async fn get_with<T: DeserializeOwned>(
        &self,
        id: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, AzureError> {
        match self.send(Method::Get, &self.url(id, query)?, None, Condition::Always).await {
            Ok(answer) => decode(id, &answer.body).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Everything of a list, page after page; empty where the place that is listed is not there.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        version: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, AzureError> {
        let query: Vec<(&str, &str)> = [("api-version", version)].into_iter().chain(query.iter().copied()).collect();
        let mut url = Some(self.url(path, &query)?);
        let mut found = Vec::new();
        while let Some(at) = url {
            let answer = match self.send(Method::Get, &at, None, Condition::Always).await {
                Err(error) if error.is_missing() => break,
                answer => answer?,
            };
            let page: Page = decode(path, &answer.body)?;
            for item in page.value {
                found.push(serde_json::from_value(item).map_err(|error| undecodable(path, &error))?);
            }
            url = page.next.filter(|next| !next.is_empty()).map(|next| self.own(&next)).transpose()?;
        }
        Ok(found)
    }

    /// Makes a resource, or makes it so, waits until that is done, and gives what became of it.
    ///
    /// # Errors
    /// When Azure refuses, or the operation that it accepted ends badly.
    pub async fn put<B: Serialize + Sync>(
        &self,
        id: &str,
        version: &str,
        body: &B,
        condition: Condition<'_>,
    ) -> Result<Value, AzureError> {
        self.change(Method::Put, id, "", version, Some(encode(body)?), condition).await
    }

    /// Changes a part of a resource, and waits until that is done. What is null in the body is taken away.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn patch(&self, id: &str, version: &str, body: &Value) -> Result<Value, AzureError> {
        let body = serde_json::to_vec(body).map_err(|error| AzureError::new("NoBody", error.to_string()))?;
        self.change(Method::Patch, id, "", version, Some(body), Condition::Always).await
    }

    /// Has a resource do something (`start`, `powerOff?skipShutdown=true`), and waits until that is done.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn act(&self, id: &str, action: &str, version: &str) -> Result<(), AzureError> {
        self.change(Method::Post, id, action, version, None, Condition::Always).await.map(drop)
    }

    /// Asks something with a body; the answer comes at once.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn ask<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        version: &str,
        body: &B,
    ) -> Result<T, AzureError> {
        let url = self.url(path, &[("api-version", version)])?;
        let answer = self.send(Method::Post, &url, Some(encode(body)?), Condition::Always).await?;
        decode(path, &answer.body)
    }

    /// Removes a resource and waits until it is gone. What is gone already is fine.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn delete(&self, id: &str, version: &str) -> Result<(), AzureError> {
        match self.change(Method::Delete, id, "", version, None, Condition::Always).await {
            Err(error) if error.is_missing() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Fetches a text from an address that carries its own signature. No token goes with it.
    ///
    /// # Errors
    /// When it does not answer, or the address has no TLS.
    pub async fn fetch(&self, address: &str) -> Result<String, AzureError> {
        let mut url = Url::parse(address)
            .map_err(|error| AzureError::new("NoAddress", format!("Azure gave `{address}`: {error}")))?;
        if url.scheme() == "http" && (!self.place.owns(&url) || url.set_scheme("https").is_err()) {
            return Err(AzureError::new(
                "NoTls",
                format!("Azure sends us to {} without TLS", url.origin().ascii_serialization()),
            ));
        }
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let mut request = Request::new(url, Method::Get);
        let sent = self.bare.send(&Context::new(), &mut request, Some(options)).await;
        match answered(sent.map_err(|error| no_answer(&error))?) {
            Ok(answer) => Ok(String::from_utf8_lossy(&answer.body).into_owned()),
            // Nothing was written there yet.
            Err(error) if error.is_missing() => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Address of the retail price service's answer to a question; a resource manager of one's own answers itself.
    ///
    /// # Errors
    /// When the address is none.
    pub fn prices_url(&self, service: &str, filter: &str) -> Result<String, AzureError> {
        let mut url = match self.place.is_custom() {
            true => self.place.endpoint.clone(),
            false => Url::parse(service).map_err(|error| AzureError::new("NoAddress", error.to_string()))?,
        };
        url.set_path("api/retail/prices");
        url.query_pairs_mut().append_pair("$filter", filter);
        Ok(url.to_string())
    }

    /// One call through the pipeline. An answer that is no success is an error.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        body: Option<Vec<u8>>,
        condition: Condition<'_>,
    ) -> Result<Answer, AzureError> {
        let mut request = Request::new(url.clone(), method);
        if let Some(body) = body {
            request.insert_header(CONTENT_TYPE, "application/json");
            request.set_body(body);
        }
        match condition {
            Condition::Always => {}
            Condition::New => request.insert_header(IF_NONE_MATCH, "*"),
            Condition::Unchanged(etag) => request.insert_header(IF_MATCH, etag.to_owned()),
        }
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let sent = self.pipeline.send(&Context::new(), &mut request, Some(options)).await;
        answered(sent.map_err(|error| no_answer(&error))?)
    }

    /// The address of an id or a path.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, AzureError> {
        let mut url = self
            .place
            .endpoint
            .join(path.trim_start_matches('/'))
            .map_err(|error| AzureError::new("NoAddress", format!("`{path}` is no path: {error}")))?;
        url.query_pairs_mut().extend_pairs(query);
        Ok(url)
    }

    /// An address that Azure gave, if it is the resource manager's own.
    pub(super) fn own(&self, text: &str) -> Result<Url, AzureError> {
        let mut url = Url::parse(text).map_err(|error| {
            AzureError::new("NoAddress", format!("Azure gave `{text}`, which is no address: {error}"))
        })?;
        if !self.place.owns(&url) {
            return Err(AzureError::new("ForeignAddress", format!("Azure sends us to {text}; our token stays here")));
        }
        if url.scheme() == "http" && url.set_scheme("https").is_err() {
            return Err(AzureError::new("NoAddress", format!("`{text}` is no address")));
        }
        Ok(url)
    }
}

fn answered(response: RawResponse) -> Result<Answer, AzureError> {
    let header = |name: &HeaderName| response.headers().get_optional_str(name).map(str::to_owned);
    let status = u16::from(response.status());
    let request_id = header(&REQUEST_ID);
    if !(200..300).contains(&status) {
        return Err(AzureError::answered(status, response.body().as_ref(), request_id));
    }
    Ok(Answer {
        status,
        retry_after: header(&RETRY_AFTER).and_then(|value| value.parse().ok()).map(Duration::from_secs),
        operation: header(&HeaderName::from_static("azure-asyncoperation")),
        location: header(&HeaderName::from_static("location")),
        body: response.body().as_ref().to_vec(),
    })
}

fn no_answer(error: &azure_core::Error) -> AzureError {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = inner.source();
    }
    let code = if is_credential(error) { "NoToken" } else { "NoAnswer" };
    AzureError::new(code, words)
}

/// Whether it was the login that failed; the pipeline wraps the error on its way.
fn is_credential(error: &azure_core::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner
            .downcast_ref::<azure_core::Error>()
            .is_some_and(|error| *error.kind() == azure_core::error::ErrorKind::Credential)
        {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// A body without its nulls: what is not said is left as it is.
fn encode<B: Serialize>(body: &B) -> Result<Vec<u8>, AzureError> {
    let value = serde_json::to_value(body).map(without_nulls);
    value.and_then(|value| serde_json::to_vec(&value)).map_err(|error| AzureError::new("NoBody", error.to_string()))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

pub(super) fn decode<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, AzureError> {
    serde_json::from_slice(body).map_err(|error| undecodable(what, &error))
}

fn undecodable(what: &str, error: &serde_json::Error) -> AzureError {
    AzureError::new("UnreadableAnswer", format!("Azure's answer about {what} cannot be read: {error}"))
}
