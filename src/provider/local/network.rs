//! The network of an environment.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bollard::{
    Docker,
    models::{EndpointResource, Ipam, IpamConfig, Network, NetworkCreateRequest, NetworkDisconnectRequest},
    query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions,
        WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;
use ipnet::Ipv4Net;

use super::{
    address,
    engine::{failed, permanent, status, unless_status},
    labels,
};
use crate::provider::ProviderError;

/// How long the removal of a network waits for containers that are just being removed.
const LAST_CONTAINER: Duration = Duration::from_secs(60);

/// Name of an environment's network in the engine.
pub fn name(environment: &str) -> String {
    format!("refarch-{environment}")
}

/// Makes the network where there is none.
pub async fn create(engine: &Docker, environment: &str, subnet: Ipv4Net, isolated: bool) -> Result<(), ProviderError> {
    let name = name(environment);
    let doing = format!("create network {name} ({subnet})");
    // Engines before API 1.44 make a second network of the same name without a word.
    match engine.inspect_network(&name, None).await {
        Ok(found) => {
            let owner = found.labels.as_ref().and_then(|labels| labels.get(labels::ENVIRONMENT));
            if owner.is_none_or(|owner| owner != environment) {
                return Err(permanent(doing, "a network of this name is there that refarch did not make", None));
            }
            return match subnet_of(found.ipam.as_ref()) {
                Some(there) if there == subnet && found.internal.unwrap_or_default() == isolated => Ok(()),
                Some(there) if there == subnet => Err(permanent(
                    doing,
                    format!("it is there {} a way out", if isolated { "with" } else { "without" }),
                    Some("destroy the environment first, or take `local.isolated` back".to_owned()),
                )),
                there => Err(permanent(
                    doing,
                    format!("it is there with {}", there.map_or("no subnet".to_owned(), |there| there.to_string())),
                    Some("destroy the environment first, or take `local.subnet` back".to_owned()),
                )),
            };
        }
        Err(error) if status(&error) == Some(404) => {}
        Err(error) => return Err(failed(doing, error)),
    }
    if let Some(conflict) = conflict(engine, environment, subnet).await? {
        return Err(permanent(doing, conflict, Some(subnet_hint())));
    }
    let request = NetworkCreateRequest {
        name,
        driver: Some("bridge".to_owned()),
        internal: Some(isolated),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.to_string()),
                gateway: subnet.hosts().next().map(|gateway| gateway.to_string()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        }),
        options: mtu().map(|mtu| HashMap::from([("com.docker.network.driver.mtu".to_owned(), mtu)])),
        labels: Some(labels::of(environment, "network", false)),
        ..NetworkCreateRequest::default()
    };
    engine.create_network(request).await.map(drop).map_err(|error| failed(doing, error))
}

/// Removes the network and the environment's volumes that no container has any more.
pub async fn delete(engine: &Docker, environment: &str, handle: &str) -> Result<(), ProviderError> {
    let doing = format!("remove network {}", name(environment));
    let own = ListContainersOptionsBuilder::new().all(true).filters(&labels::filter(labels::ENVIRONMENT, environment));
    let containers = engine.list_containers(Some(own.build())).await.map_err(|error| failed(doing.clone(), error))?;
    let ids: Vec<String> = containers.into_iter().filter_map(|container| container.id).collect();
    let gone = futures_util::future::join_all(ids.iter().map(|id| async {
        let removed = WaitContainerOptionsBuilder::new().condition("removed").build();
        // An error means that it is gone already: the stream ends in any case.
        engine.wait_container(id, Some(removed)).collect::<Vec<_>>().await;
    }));
    if tokio::time::timeout(LAST_CONTAINER, gone).await.is_err() {
        return Err(permanent(doing, "containers of the environment are still there", None));
    }
    match unless_status(engine.remove_network(handle).await, &[404]) {
        // 403: something is still connected, or the engine believes so.
        Err(error) if status(&error) == Some(403) => {
            disconnect_the_gone(engine, handle, &doing).await?;
            match unless_status(engine.remove_network(handle).await, &[404]) {
                Err(error) if status(&error) == Some(403) => {
                    let message = "the container engine counts something that is connected to it, and names nothing";
                    let hint = "engine 20.10 miscounts now and then when many containers end at once, until it is \
                                restarted: restart it, then do the same again";
                    return Err(permanent(doing, message, Some(hint.to_owned())));
                }
                removed => removed,
            }
        }
        removed => removed,
    }
    .map_err(|error| failed(doing, error))?;
    for volume in volumes(engine, environment).await? {
        delete_volume(engine, &volume.name).await?;
    }
    Ok(())
}

/// Lets go of endpoints whose containers are gone. Engine 20.10 keeps one now and then when many containers of a
/// network end at once, and refuses to remove the network from then on.
async fn disconnect_the_gone(engine: &Docker, network: &str, doing: &str) -> Result<(), ProviderError> {
    let found = engine.inspect_network(network, None).await.map_err(|error| failed(doing, error))?;
    let all = ListContainersOptionsBuilder::new().all(true).build();
    let there = engine.list_containers(Some(all)).await.map_err(|error| failed(doing, error))?;
    let there: HashSet<String> = there.into_iter().filter_map(|container| container.id).collect();
    let endpoints = found.containers.unwrap_or_default();
    let (foreign, gone): (Vec<_>, Vec<_>) = endpoints.into_iter().partition(|(id, _)| there.contains(id));
    let names = |endpoints: Vec<(String, EndpointResource)>| -> Vec<String> {
        endpoints.into_iter().map(|(id, endpoint)| endpoint.name.unwrap_or(id)).collect()
    };
    let mut foreign = names(foreign);
    if !foreign.is_empty() {
        foreign.sort();
        let message = format!("containers that refarch did not make are connected to it: {}", foreign.join(", "));
        let hint = "disconnect or remove them, then do the same again".to_owned();
        return Err(permanent(doing, message, Some(hint)));
    }
    for container in names(gone) {
        let request = NetworkDisconnectRequest { container, force: Some(true) };
        unless_status(engine.disconnect_network(network, request).await, &[404])
            .map_err(|error| failed(doing, error))?;
    }
    Ok(())
}

/// Removes a volume that no container has.
pub async fn delete_volume(engine: &Docker, volume: &str) -> Result<(), ProviderError> {
    unless_status(engine.remove_volume(volume, None::<RemoveVolumeOptions>).await, &[404])
        .map_err(|error| failed(format!("remove volume {volume}"), error))
}

/// The environment's volumes.
pub async fn volumes(engine: &Docker, environment: &str) -> Result<Vec<bollard::models::Volume>, ProviderError> {
    let own = ListVolumesOptionsBuilder::new().filters(&labels::filter(labels::ENVIRONMENT, environment)).build();
    let found = engine.list_volumes(Some(own)).await.map_err(|error| failed("list volumes", error))?;
    Ok(found.volumes.unwrap_or_default())
}

/// The environment's networks: one, or none.
pub async fn networks(engine: &Docker, environment: &str) -> Result<Vec<Network>, ProviderError> {
    let own = ListNetworksOptionsBuilder::new().filters(&labels::filter(labels::ENVIRONMENT, environment)).build();
    engine.list_networks(Some(own)).await.map_err(|error| failed("list networks", error))
}

/// What on this machine uses addresses of the subnet, if anything does.
pub async fn conflict(engine: &Docker, environment: &str, subnet: Ipv4Net) -> Result<Option<String>, ProviderError> {
    let all = engine.list_networks(None).await.map_err(|error| failed("list networks", error))?;
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|network| {
        network.labels.as_ref().and_then(|labels| labels.get(labels::ENVIRONMENT)).is_some_and(|own| own == environment)
    });
    for network in others {
        let Some(there) = subnet_of(network.ipam.as_ref()) else { continue };
        if address::overlap(&there, &subnet) {
            let name = network.name.unwrap_or_default();
            return Ok(Some(format!("{subnet} overlaps with the container network {name} ({there})")));
        }
    }
    // The route of a network that is there already is no conflict with itself.
    let own: Vec<Ipv4Net> = own.iter().filter_map(|network| subnet_of(network.ipam.as_ref())).collect();
    let table = tokio::fs::read_to_string("/proc/net/route").await.unwrap_or_default();
    let route =
        address::routed(&table).into_iter().find(|(_, there)| address::overlap(there, &subnet) && !own.contains(there));
    Ok(route.map(|(interface, there)| format!("{subnet} overlaps with this machine's route to {there} ({interface})")))
}

/// What to do about a subnet that is taken.
pub fn subnet_hint() -> String {
    "set `local.subnet` in the environment file to a network that nothing here uses, such as 10.190.7.0/24".to_owned()
}

/// The IPv4 subnet of a network.
pub fn subnet_of(ipam: Option<&Ipam>) -> Option<Ipv4Net> {
    ipam?.config.as_ref()?.iter().find_map(|config| config.subnet.as_ref()?.parse().ok())
}

/// The largest packet of this machine's way out, so that nodes do not send larger ones.
fn mtu() -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/route").ok()?;
    let interface = address::default_interface(&table)?;
    Some(std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().to_owned())
}
