//! Buckets: private, encrypted, versioned. A bucket that holds something is emptied only where the user consented to
//! lose its data by name.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Delete, ObjectIdentifier,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};
use serde_json::json;

use super::{
    AwsOptions,
    client::Clients,
    error::{code, failed, is_gone},
    firewall::stranger,
    tag,
};
use crate::{
    event::StepLog,
    provider::{
        Condition, ProviderError, Stranger,
        cloud::{CloudOptions, Found, Making, blueprint::kind, tags::Tags},
    },
};

/// Names are known to all the world: the account's number makes ours ours.
fn name(environment: &str, bucket: &str, account: &str) -> String {
    format!("{environment}-{bucket}-{account}")
}

/// The account's number.
pub async fn account(clients: &Clients) -> Result<String, ProviderError> {
    let who = clients.sts.get_caller_identity().send().await;
    let who = who.map_err(|error| failed("ask who this is", "sts:GetCallerIdentity", &error))?;
    Ok(who.account().unwrap_or_default().to_owned())
}

/// Names of the environment's buckets, in the file's order.
pub async fn names(clients: &Clients, options: &CloudOptions) -> Result<Vec<String>, ProviderError> {
    if options.buckets.is_empty() {
        return Ok(Vec::new());
    }
    let account = account(clients).await?;
    Ok(options.buckets.iter().map(|bucket| name(&options.environment, bucket, &account)).collect())
}

/// Makes a bucket what it should be.
pub async fn create(
    clients: &Clients,
    options: &CloudOptions,
    aws: &AwsOptions,
    making: &Making<'_>,
) -> Result<String, ProviderError> {
    let doing = format!("create {}", making.resource.id);
    let account = account(clients).await?;
    let name = name(&options.environment, making.resource.id.trim_start_matches("bucket/"), &account);
    let mut create = clients.s3.create_bucket().bucket(&name);
    // The oldest region is the one that must not be named.
    if clients.region != "us-east-1" {
        let place = BucketLocationConstraint::from(clients.region.as_str());
        create =
            create.create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build());
    }
    match create.send().await {
        Err(error) if code(&error) == "BucketAlreadyOwnedByYou" => {
            // Ours without a tag: an earlier run ended between making and tagging it.
            let tags = tags_of(clients, &name).await?;
            if !tags.is_empty() && !tag::is_own(&tags, &options.environment) {
                return Err(stranger(&doing, &making.resource.id, &format!("bucket {name}"), &name));
            }
        }
        Err(error) if code(&error) == "BucketAlreadyExists" => {
            return Err(stranger(&doing, &making.resource.id, &format!("bucket {name}"), &name));
        }
        Err(error) => return Err(failed(&doing, "s3:CreateBucket", &error)),
        Ok(_) => {}
    }
    tag::write(clients, kind::BUCKET, &name, making.tags).await?;
    set(clients, aws, &name, &doing).await?;
    Ok(name)
}

/// Versions, encryption, and no public access.
pub async fn set(clients: &Clients, aws: &AwsOptions, name: &str, doing: &str) -> Result<(), ProviderError> {
    let s3 = &clients.s3;
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let put = s3.put_public_access_block().bucket(name).public_access_block_configuration(block).send().await;
    put.map_err(|error| failed(doing, "s3:PutBucketPublicAccessBlock", &error))?;
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = s3.put_bucket_versioning().bucket(name).versioning_configuration(on).send().await;
    put.map_err(|error| failed(doing, "s3:PutBucketVersioning", &error))?;
    let kind = if aws.kms_key.is_some() { ServerSideEncryption::AwsKms } else { ServerSideEncryption::Aes256 };
    let default =
        ServerSideEncryptionByDefault::builder().sse_algorithm(kind).set_kms_master_key_id(aws.kms_key.clone());
    let default = default.build().map_err(|error| tag::unfit(&error))?;
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .bucket_key_enabled(aws.kms_key.is_some())
        .build();
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(|error| tag::unfit(&error))?;
    let put = s3.put_bucket_encryption().bucket(name).server_side_encryption_configuration(rules).send().await;
    put.map(drop).map_err(|error| failed(doing, "s3:PutEncryptionConfiguration", &error))
}

async fn tags_of(clients: &Clients, name: &str) -> Result<Tags, ProviderError> {
    match clients.s3.get_bucket_tagging().bucket(name).send().await {
        Ok(there) => Ok(there.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()),
        Err(error) if is_gone(&error) || code(&error) == "NoSuchTagSet" => Ok(Tags::new()),
        Err(error) => Err(failed(&format!("look at bucket {name}"), "s3:GetBucketTagging", &error)),
    }
}

/// The environment's buckets: those with its name in front and its tag.
pub async fn list(clients: &Clients, options: &CloudOptions) -> Result<Vec<Found>, ProviderError> {
    let doing = "list the buckets";
    let start = format!("{}-", options.environment);
    let mut found = Vec::new();
    let pages = clients.s3.list_buckets().into_paginator().items().send();
    let all: Vec<_> = pages.try_collect().await.map_err(|error| failed(doing, "s3:ListAllMyBuckets", &error))?;
    for name in all.iter().filter_map(|bucket| bucket.name()).filter(|name| name.starts_with(&start)) {
        let tags = tags_of(clients, name).await?;
        if !tag::is_own(&tags, &options.environment) {
            continue;
        }
        let versions = clients.s3.get_bucket_versioning().bucket(name).send().await;
        let versions = versions.map_err(|error| failed(doing, "s3:GetBucketVersioning", &error))?;
        let blocked = match clients.s3.get_public_access_block().bucket(name).send().await {
            Ok(there) => there.public_access_block_configuration().is_some_and(|block| {
                block.block_public_acls() == Some(true) && block.restrict_public_buckets() == Some(true)
            }),
            Err(error) if code(&error) == "NoSuchPublicAccessBlockConfiguration" => false,
            Err(error) => return Err(failed(doing, "s3:GetBucketPublicAccessBlock", &error)),
        };
        let encrypted = match clients.s3.get_bucket_encryption().bucket(name).send().await {
            Ok(_) => true,
            Err(error) if code(&error) == "ServerSideEncryptionConfigurationNotFoundError" => false,
            Err(error) => return Err(failed(doing, "s3:GetEncryptionConfiguration", &error)),
        };
        let versioned = versions.status() == Some(&BucketVersioningStatus::Enabled);
        found.push(Found {
            id: tags.get(crate::provider::cloud::tags::RESOURCE).cloned().unwrap_or_else(|| format!("bucket/{name}")),
            kind: kind::BUCKET,
            handle: name.to_owned(),
            tags,
            attributes: tag::attributes(vec![
                ("versioned", json!(versioned)),
                ("encrypted", json!(encrypted)),
                ("public_blocked", json!(blocked)),
            ]),
            condition: Condition::Good,
            machine: None,
        });
    }
    Ok(found)
}

/// Removes a bucket with all that it holds. Steps that come here have consent: buckets bear data, and such a step needs
/// it by name.
pub async fn remove(clients: &Clients, name: &str, log: &StepLog) -> Result<(), ProviderError> {
    let doing = format!("remove bucket {name}");
    let s3 = &clients.s3;
    let mut emptied = 0;
    loop {
        let there = match s3.list_object_versions().bucket(name).max_keys(1000).send().await {
            Ok(there) => there,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(failed(&doing, "s3:ListBucketVersions", &error)),
        };
        let versions = there.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = there.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let objects: Vec<ObjectIdentifier> = versions
            .chain(markers)
            .filter_map(|(key, version)| {
                ObjectIdentifier::builder().key(key?).set_version_id(version.map(str::to_owned)).build().ok()
            })
            .collect();
        if objects.is_empty() {
            break;
        }
        emptied += objects.len();
        let delete =
            Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(|error| tag::unfit(&error))?;
        let done = s3.delete_objects().bucket(name).delete(delete).send().await;
        let done = done.map_err(|error| failed(&doing, "s3:DeleteObjectVersion", &error))?;
        if let Some(fault) = done.errors().first() {
            let message =
                format!("{}: {}", fault.key().unwrap_or("an object"), fault.message().unwrap_or("not removed"));
            let hint = "it may be locked or held; the same command again goes on where this one stopped";
            return Err(crate::provider::cloud::permanent(doing, message, Some(hint)));
        }
    }
    if emptied > 0 {
        log.line(format!("{emptied} objects and versions of {name} removed"));
    }
    match s3.delete_bucket().bucket(name).send().await {
        Err(error) if !is_gone(&error) => Err(failed(&doing, "s3:DeleteBucket", &error)),
        _ => Ok(()),
    }
}

/// Buckets under our names that are not ours.
pub async fn look_for(clients: &Clients, options: &CloudOptions, id: &str) -> Result<Option<Stranger>, ProviderError> {
    let account = account(clients).await?;
    let name = name(&options.environment, id.trim_start_matches("bucket/"), &account);
    match clients.s3.head_bucket().bucket(&name).send().await {
        Ok(_) => {
            let tags = tags_of(clients, &name).await?;
            let own = tags.is_empty() || tag::is_own(&tags, &options.environment);
            let stranger = Stranger { resource: id.to_owned(), what: "bucket".to_owned(), handle: name };
            Ok((!own).then_some(stranger))
        }
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => {
            // Without an answer that it is ours, somebody else has it.
            let forbidden = error.raw_response().is_some_and(|raw| raw.status().as_u16() == 403);
            let told = failed(&format!("look for bucket {name}"), "s3:ListBucket", &error);
            match forbidden {
                true => Ok(Some(Stranger { resource: id.to_owned(), what: "bucket".to_owned(), handle: name })),
                false => Err(told),
            }
        }
    }
}
