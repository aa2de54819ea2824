//! Plain calls to the services whose official crate is no help here: buckets (the storage crate makes them over gRPC
//! only), enabled services, policies, permissions.

use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{
    clients::ATTEMPTS,
    fault::{Fault, chain},
    options::endpoint,
};
use crate::provider::{ProviderError, cloud::permanent};

/// One attempt.
const ATTEMPT: Duration = Duration::from_secs(30);

/// JSON over HTTP with the user's credentials.
#[derive(Debug)]
pub(super) struct Rest {
    http: reqwest::Client,
    credentials: Credentials,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    /// Service: `storage`.
    pub service: &'a str,
    /// Method.
    pub method: Method,
    /// Path below the service's address.
    pub path: String,
    /// Parameters.
    pub query: Vec<(&'a str, String)>,
    /// Body.
    pub body: Option<Value>,
}

impl<'a> Request<'a> {
    pub(super) fn new(service: &'a str, method: Method, path: impl Into<String>) -> Self {
        Self { service, method, path: path.into(), query: Vec::new(), body: None }
    }

    pub(super) fn query(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl Rest {
    pub(super) fn new(credentials: Credentials) -> Result<Self, ProviderError> {
        let http = reqwest::Client::builder()
            .timeout(ATTEMPT)
            .build()
            .map_err(|error| permanent("set up HTTP", chain(&error), None))?;
        Ok(Self { http, credentials })
    }

    /// Calls until there is an answer that stays. An empty answer is `null`.
    pub(super) async fn call(&self, request: Request<'_>) -> Result<Value, Fault> {
        let mut pause = Duration::from_millis(250);
        for attempt in 1.. {
            match self.once(&request).await {
                Err(fault) if fault.passes() && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
                outcome => return outcome,
            }
        }
        Err(Fault::answer(0, "", "no attempt is left"))
    }

    async fn once(&self, request: &Request<'_>) -> Result<Value, Fault> {
        let headers = match self.credentials.headers(http::Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => data,
            Ok(CacheableResource::NotModified) => return Err(Fault::answer(401, "", "no token")),
            Err(error) => return Err(Fault::answer(401, "", &chain(&error))),
        };
        let address = format!("{}/{}", endpoint(request.service), request.path);
        let mut call = self.http.request(request.method.clone(), address).headers(headers).query(&request.query);
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        let answer = call.send().await.map_err(|error| Fault::answer(0, "", &chain(&error)))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| Fault::answer(0, "", &chain(&error)))?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        Err(refusal(status, &body))
    }
}

fn refusal(status: StatusCode, body: &Value) -> Fault {
    let error = &body["error"];
    let reason = error["details"][0]["reason"].as_str().or(error["errors"][0]["reason"].as_str());
    let message = error["message"].as_str().unwrap_or("no reason given");
    Fault::answer(status.as_u16(), reason.unwrap_or_default(), message)
}
