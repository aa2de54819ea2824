//! Buckets: private, versioned, with one policy for all objects; and who may use them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    compute::{At, last},
    fault::Fault,
    labels, names,
    rest::Request,
};
use crate::{
    event::StepLog,
    provider::{
        Condition, ProviderError,
        cloud::{
            Found, Making,
            blueprint::kind,
            tags::{self, Tags},
        },
    },
};

/// Objects removed at a time.
const PAGE: &str = "1000";
/// Role that lets the nodes read, write and remove objects, and nothing else.
const USER: &str = "roles/storage.objectUser";

fn storage(method: Method, path: impl Into<String>) -> Request<'static> {
    Request::new("storage", method, format!("storage/v1/{}", path.into()))
}

impl At<'_> {
    fn bucket_name(&self, id: &str) -> String {
        names::bucket(self.project, self.environment(), id.strip_prefix("bucket/").unwrap_or(id))
    }

    pub(super) async fn make_bucket(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = self.bucket_name(&making.resource.id);
        let doing = format!("make bucket {name}");
        let mut body = json!({
            "name": name,
            "location": self.region,
            "labels": labels::split(making.tags).0,
            "versioning": { "enabled": true },
            "iamConfiguration": {
                "publicAccessPrevention": "enforced",
                "uniformBucketLevelAccess": { "enabled": true },
            },
        });
        if let Some(key) = &self.gcp.own.kms_key {
            body["encryption"] = json!({ "defaultKmsKeyName": key });
        }
        let request = storage(Method::POST, "b").query("project", self.project).body(body);
        match self.clients.rest.call(request).await {
            Err(fault) if fault.exists() => {
                // Names are everybody's: one that cannot be looked at is another customer's.
                let there = self.clients.rest.call(storage(Method::GET, format!("b/{name}"))).await;
                let tags = there.ok().map(|bucket| bucket_tags(&bucket));
                self.ours(&doing, tags.as_ref(), &format!("bucket {name}"))?;
            }
            outcome => {
                outcome.map_err(|fault| fault.told(&doing))?;
            }
        }
        Ok(format!("buckets/{name}"))
    }

    /// The environment's buckets.
    pub(super) async fn buckets(&self) -> Result<Vec<Found>, Fault> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = storage(Method::GET, "b").query("project", self.project);
            if let Some(token) = &token {
                request = request.query("pageToken", token);
            }
            let page = self.clients.rest.call(request).await?;
            for bucket in page["items"].as_array().into_iter().flatten() {
                let tags = bucket_tags(bucket);
                let Some(id) = tags.get(tags::RESOURCE).filter(|_| labels::owned(&tags, self.environment())) else {
                    continue;
                };
                let access = &bucket["iamConfiguration"];
                let attributes = [
                    ("versioned", json!(bucket["versioning"]["enabled"] == json!(true))),
                    // Google encrypts whatever is stored.
                    ("encrypted", json!(true)),
                    (
                        "public_blocked",
                        json!(
                            access["publicAccessPrevention"] == json!("enforced")
                                && access["uniformBucketLevelAccess"]["enabled"] == json!(true)
                        ),
                    ),
                ];
                found.push(Found {
                    id: id.clone(),
                    kind: kind::BUCKET,
                    handle: format!("buckets/{}", bucket["name"].as_str().unwrap_or_default()),
                    attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
                    tags,
                    condition: Condition::Good,
                    machine: None,
                });
            }
            token = page["nextPageToken"].as_str().map(str::to_owned);
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    /// Makes a bucket private and versioned again.
    pub(super) async fn mend_bucket(&self, handle: &str) -> Result<(), ProviderError> {
        let doing = format!("change bucket {}", last(handle));
        let body = json!({
            "versioning": { "enabled": true },
            "iamConfiguration": {
                "publicAccessPrevention": "enforced",
                "uniformBucketLevelAccess": { "enabled": true },
            },
        });
        let request = storage(Method::PATCH, format!("b/{}", last(handle))).body(body);
        self.clients.rest.call(request).await.map(|_| ()).map_err(|fault| fault.told(doing))
    }

    pub(super) async fn tag_bucket(&self, handle: &str, set: &Tags, gone: &[String]) -> Result<(), ProviderError> {
        let mut wanted: serde_json::Map<String, Value> =
            labels::split(set).0.into_iter().map(|(key, value)| (key, json!(value))).collect();
        wanted.extend(gone.iter().map(|key| (key.clone(), Value::Null)));
        let request = storage(Method::PATCH, format!("b/{}", last(handle))).body(json!({ "labels": wanted }));
        let told = |fault: Fault| fault.told(format!("label bucket {}", last(handle)));
        self.clients.rest.call(request).await.map(|_| ()).map_err(told)
    }

    /// Removes a bucket with every version of every object: the plan had consent for its data.
    pub(super) async fn remove_bucket(&self, handle: &str, log: &StepLog) -> Result<(), ProviderError> {
        let name = last(handle);
        let doing = format!("remove bucket {name}");
        let told = |fault: Fault| fault.told(&doing);
        let mut removed = 0usize;
        loop {
            let request =
                storage(Method::GET, format!("b/{name}/o")).query("versions", "true").query("maxResults", PAGE);
            let page = match self.clients.rest.call(request).await {
                Err(fault) if fault.missing() => return Ok(()),
                outcome => outcome.map_err(told)?,
            };
            let objects: Vec<&Value> = page["items"].as_array().into_iter().flatten().collect();
            if objects.is_empty() {
                break;
            }
            for object in objects {
                let path = format!("b/{name}/o/{}", escaped(object["name"].as_str().unwrap_or_default()));
                let generation = object["generation"].as_str().unwrap_or_default();
                let request = storage(Method::DELETE, path).query("generation", generation);
                match self.clients.rest.call(request).await {
                    Err(fault) if !fault.missing() => return Err(told(fault)),
                    _ => removed += 1,
                }
            }
            log.line(format!("{removed} objects removed"));
        }
        match self.clients.rest.call(storage(Method::DELETE, format!("b/{name}"))).await {
            Err(fault) if !fault.missing() => Err(told(fault)),
            _ => Ok(()),
        }
    }

    /// Lets a service account use a bucket's objects. Says nothing where it may already.
    pub(super) async fn allow(&self, bucket: &str, email: &str) -> Result<(), Fault> {
        let member = format!("serviceAccount:{email}");
        let path = format!("b/{}/iam", last(bucket));
        for _ in 0..4 {
            let mut policy = self.clients.rest.call(storage(Method::GET, path.clone())).await?;
            if allows(&policy, &member) {
                return Ok(());
            }
            let own = json!({ "role": USER, "members": [member] });
            match policy["bindings"].as_array_mut() {
                Some(bindings) => bindings.push(own),
                None => policy["bindings"] = json!([own]),
            }
            match self.clients.rest.call(storage(Method::PUT, path.clone()).body(policy)).await {
                // Somebody else changed it in between: once more from what is there now.
                Err(fault) if fault.status == 412 || fault.status == 409 => {}
                outcome => return outcome.map(|_| ()),
            }
        }
        Err(Fault::answer(412, "conditionNotMet", "somebody else changes the bucket's policy all the time"))
    }

    /// Whether a service account may use a bucket's objects; false where there is no such bucket.
    pub(super) async fn allowed(&self, bucket: &str, email: &str) -> Result<bool, Fault> {
        match self.clients.rest.call(storage(Method::GET, format!("b/{}/iam", last(bucket)))).await {
            Ok(policy) => Ok(allows(&policy, &format!("serviceAccount:{email}"))),
            Err(fault) if fault.missing() => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Names of the environment's buckets that should be there, and their full names.
    pub(super) fn wanted_buckets(&self) -> Vec<(String, String)> {
        self.gcp.options.buckets.iter().map(|bucket| (bucket.clone(), self.bucket_name(bucket))).collect()
    }
}

fn bucket_tags(bucket: &Value) -> Tags {
    let labels = bucket["labels"].as_object().cloned().unwrap_or_default();
    let labels = labels.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect();
    let mut tags = labels::tags(None, &labels);
    if let (Some(environment), Some(resource)) = (tags.get(tags::ENVIRONMENT), tags.get(tags::RESOURCE)) {
        let name = tags::name(environment, resource);
        tags.insert(tags::NAME.to_owned(), name);
    }
    tags
}

fn allows(policy: &Value, member: &str) -> bool {
    let bindings = policy["bindings"].as_array().into_iter().flatten();
    bindings
        .filter(|one| one["role"] == json!(USER))
        .any(|one| one["members"].as_array().is_some_and(|members| members.iter().any(|found| found == &json!(member))))
}

/// An object's name as one part of a path.
fn escaped(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    name.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
