//! What an environment has, found by its labels.

use std::{collections::BTreeMap, net::Ipv4Addr};

use bollard::{
    Docker,
    models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, Volume},
    query_parameters::ListContainersOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use ipnet::Ipv4Net;
use serde_json::Value;

use super::{container, engine::failed, image, labels, network};
use crate::provider::{Condition, Live, ProviderError};

/// What was found.
pub struct Found {
    /// Everything, in the order in which it would be made: the image, the network, volumes without a container, nodes.
    pub live: Vec<Live>,
    /// The environment's network.
    pub subnet: Option<Ipv4Net>,
    /// Addresses of the nodes.
    pub addresses: Vec<(String, Ipv4Addr)>,
}

/// Looks for everything that carries the environment's label, and for the image of this recipe.
pub async fn observe(engine: &Docker, environment: &str, recipe: &str) -> Result<Found, ProviderError> {
    let mut live = Vec::new();
    if image::exists(engine, recipe).await? {
        live.push(Live {
            id: "image".to_owned(),
            kind: "image".to_owned(),
            node: None,
            attributes: BTreeMap::from([("recipe".to_owned(), Value::from(recipe))]),
            condition: Condition::Good,
            handle: image::tag(recipe),
            data_bearing: false,
            needs: Vec::new(),
        });
    }
    let mut subnet = None;
    for found in network::networks(engine, environment).await? {
        let here = network::subnet_of(found.ipam.as_ref());
        live.push(Live {
            id: "network".to_owned(),
            kind: "network".to_owned(),
            node: None,
            attributes: here
                .iter()
                .map(|net| ("subnet".to_owned(), Value::from(net.to_string())))
                .chain(found.internal.filter(|internal| *internal).map(|_| ("isolated".to_owned(), Value::from(true))))
                .collect(),
            condition: Condition::Good,
            handle: found.id.or(found.name).unwrap_or_default(),
            data_bearing: false,
            needs: Vec::new(),
        });
        subnet = subnet.or(here);
    }
    let containers = containers(engine, environment).await?;
    let used: Vec<&str> = containers
        .iter()
        .filter_map(|there| there.mounts.as_ref())
        .flatten()
        .filter_map(|mount| mount.name.as_deref())
        .collect();
    let volumes = network::volumes(engine, environment).await?;
    live.extend(volumes.iter().filter(|volume| !used.contains(&volume.name.as_str())).map(orphan));
    let addresses = containers
        .iter()
        .filter_map(|there| Some((node_of(there)?.to_owned(), container::address(there, environment)?)))
        .collect();
    live.extend(containers.iter().filter_map(|there| node(there, environment)));
    Ok(Found { live, subnet, addresses })
}

/// Every container of the environment, by name.
pub async fn containers(engine: &Docker, environment: &str) -> Result<Vec<ContainerInspectResponse>, ProviderError> {
    let own = ListContainersOptionsBuilder::new().all(true).filters(&labels::filter(labels::ENVIRONMENT, environment));
    let listed = engine.list_containers(Some(own.build())).await.map_err(|error| failed("list containers", error))?;
    let ids: Vec<String> = listed.into_iter().filter_map(|container| container.id).collect();
    let looks = stream::iter(ids).map(|id| async move { container::inspect(engine, &id).await });
    let found: Vec<Option<ContainerInspectResponse>> = looks.buffered(8).try_collect().await?;
    let mut found: Vec<ContainerInspectResponse> = found.into_iter().flatten().collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn node_of(there: &ContainerInspectResponse) -> Option<&str> {
    container::label(there, labels::NODE)
}

fn node(there: &ContainerInspectResponse, environment: &str) -> Option<Live> {
    let name = there.name.as_deref().map(|name| name.trim_start_matches('/'));
    let label = |label| container::label(there, label);
    Some(Live {
        id: label(labels::RESOURCE).map_or_else(|| format!("container/{}", name.unwrap_or("?")), str::to_owned),
        kind: "container".to_owned(),
        node: node_of(there).map(str::to_owned),
        attributes: container::attributes(there, environment),
        condition: condition(there.state.as_ref()),
        handle: there.id.clone()?,
        data_bearing: label(labels::DATA_BEARING) == Some("true"),
        needs: Vec::new(),
    })
}

fn orphan(volume: &Volume) -> Live {
    Live {
        id: format!("volume/{}", volume.name.chars().take(12).collect::<String>()),
        kind: "volume".to_owned(),
        node: None,
        attributes: BTreeMap::new(),
        condition: Condition::Good,
        handle: volume.name.clone(),
        data_bearing: volume.labels.get(labels::DATA_BEARING).is_some_and(|value| value == "true"),
        needs: Vec::new(),
    }
}

fn condition(state: Option<&ContainerState>) -> Condition {
    let Some(state) = state else { return Condition::Broken("the engine tells no state".to_owned()) };
    match state.status {
        Some(ContainerStateStatusEnum::RUNNING) => Condition::Good,
        Some(
            ContainerStateStatusEnum::CREATED
            | ContainerStateStatusEnum::EXITED
            | ContainerStateStatusEnum::PAUSED
            | ContainerStateStatusEnum::STOPPING,
        ) => Condition::Stopped,
        Some(status) => {
            let error = state.error.as_deref().filter(|error| !error.is_empty());
            Condition::Broken(error.map_or_else(|| format!("its container is {status}"), str::to_owned))
        }
        None => Condition::Broken("the engine tells no state".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_ended_or_is_frozen_only_needs_a_start() {
        let with = |status| condition(Some(&ContainerState { status: Some(status), ..ContainerState::default() }));
        assert_eq!(with(ContainerStateStatusEnum::RUNNING), Condition::Good);
        assert_eq!(with(ContainerStateStatusEnum::EXITED), Condition::Stopped);
        assert_eq!(with(ContainerStateStatusEnum::PAUSED), Condition::Stopped);
        assert_eq!(with(ContainerStateStatusEnum::DEAD), Condition::Broken("its container is dead".to_owned()));
        assert!(matches!(condition(None), Condition::Broken(_)));
    }
}
