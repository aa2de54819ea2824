//! The environment's SSH key at AWS: its public half.

use aws_sdk_ec2::types::ResourceType as R;

use super::{
    client::Clients,
    error::{code, failed, is_gone},
    firewall::stranger,
    network::nothing,
    tag,
};
use crate::provider::{
    ProviderError, Stranger,
    cloud::{CloudOptions, Making, permanent, tags},
    keys::{self, Keys},
};

/// The public half of the key that nodes let in.
fn public(options: &CloudOptions, doing: &str) -> Result<String, ProviderError> {
    let own = Keys::new(options.folder.join("ssh"));
    let file = options.identity.clone().unwrap_or_else(|| own.client());
    keys::line(&file).ok_or_else(|| {
        let message = format!("{}.pub is not there or is no key", file.display());
        permanent(doing, message, Some("make it with `ssh-keygen -y -f KEY >KEY.pub`"))
    })
}

/// Hands the public half over.
pub async fn create(clients: &Clients, options: &CloudOptions, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = "hand over the SSH key";
    let name = tags::name(&options.environment, "key");
    let material = aws_sdk_ec2::primitives::Blob::new(public(options, doing)?);
    let import = clients.ec2.import_key_pair().key_name(&name).public_key_material(material);
    match import.tag_specifications(tag::spec(R::KeyPair, making.tags)).send().await {
        Ok(made) => made.key_pair_id().map(str::to_owned).ok_or_else(|| nothing(doing)),
        Err(error) if code(&error) == "InvalidKeyPair.Duplicate" => match by_name(clients, &name, doing).await? {
            Some((id, tags)) if tag::is_own(&tags, &options.environment) => Ok(id),
            Some((id, _)) => Err(stranger(doing, "key", &format!("key pair {name}"), &id)),
            None => Err(failed(doing, "ec2:ImportKeyPair", &error)),
        },
        Err(error) => Err(failed(doing, "ec2:ImportKeyPair", &error)),
    }
}

/// Takes it back.
pub async fn remove(clients: &Clients, options: &CloudOptions) -> Result<(), ProviderError> {
    let name = tags::name(&options.environment, "key");
    match clients.ec2.delete_key_pair().key_name(name).send().await {
        Err(error) if !is_gone(&error) => Err(failed("remove the SSH key", "ec2:DeleteKeyPair", &error)),
        _ => Ok(()),
    }
}

/// Hands another key over in its place, for machines to come: those that are there keep the one that they have.
pub async fn replace(clients: &Clients, options: &CloudOptions, making: &Making<'_>) -> Result<String, ProviderError> {
    remove(clients, options).await?;
    create(clients, options, making).await
}

async fn by_name(clients: &Clients, name: &str, doing: &str) -> Result<Option<(String, tags::Tags)>, ProviderError> {
    let filters = vec![tag::by("key-name", &[name])];
    let there = clients.ec2.describe_key_pairs().set_filters(Some(filters)).send().await;
    let there = there.map_err(|error| failed(doing, "ec2:DescribeKeyPairs", &error))?;
    let first = there.key_pairs().first();
    Ok(first.map(|key| (key.key_pair_id().unwrap_or_default().to_owned(), tag::read(key.tags()))))
}

/// Somebody else's key under our name.
pub async fn look_for(clients: &Clients, environment: &str) -> Result<Option<Stranger>, ProviderError> {
    let name = tags::name(environment, "key");
    let found = by_name(clients, &name, "look for others' key pairs").await?;
    Ok(found.filter(|(_, tags)| !tag::is_own(tags, environment)).map(|(handle, _)| Stranger {
        resource: "key".to_owned(),
        what: format!("key pair {name}"),
        handle,
    }))
}
