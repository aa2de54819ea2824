//! One node: a container with systemd as its first process.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use bollard::{
    Docker, body_full,
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerUpdateBody,
        EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigCgroupnsModeEnum, Mount, MountType,
        MountVolumeOptions, NetworkConnectRequest, NetworkDisconnectRequest, NetworkingConfig, PortBinding,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use serde_json::Value;

use super::{
    engine::{failed, permanent, status, unless_status},
    labels, network,
};
use crate::provider::{
    ProviderError, Resource,
    keys::{Keys, public},
};

/// A limit that is none: the engine cannot take a limit away from a container, only raise it.
const NO_LIMIT: i64 = 1 << 50;

/// What a node's container is made from.
pub struct Blueprint<'a> {
    pub environment: &'a str,
    pub node: &'a str,
    pub resource: &'a Resource,
    pub image: String,
    pub recipe: &'a str,
    pub address: Ipv4Addr,
    pub apparmor: bool,
}

/// Makes the container where there is none, puts its keys in and starts it.
pub async fn create(engine: &Docker, blueprint: &Blueprint<'_>, keys: &Keys) -> Result<(), ProviderError> {
    let doing = format!("create container {}", blueprint.node);
    keys.ensure_client(&format!("refarch {}", blueprint.environment)).await?;
    keys.ensure_host(blueprint.node).await?;
    let options = CreateContainerOptionsBuilder::new().name(blueprint.node).build();
    match engine.create_container(Some(options), body(blueprint)).await {
        Ok(_) => {}
        Err(error) if status(&error) == Some(409) => {
            let there = inspect(engine, blueprint.node).await?;
            let owner = there.as_ref().and_then(|there| label(there, labels::ENVIRONMENT));
            if there.is_some() && owner != Some(blueprint.environment) {
                return Err(permanent(
                    doing,
                    "a container of this name is there that does not belong to the environment",
                    Some(format!("look at it with `docker inspect {}`; remove or rename it", blueprint.node)),
                ));
            }
        }
        Err(error) => return Err(failed(doing, error)),
    }
    start(engine, blueprint.environment, blueprint.node, blueprint.address, keys).await
}

/// Starts the container, whatever it is doing.
pub async fn start(
    engine: &Docker,
    environment: &str,
    node: &str,
    address: Ipv4Addr,
    keys: &Keys,
) -> Result<(), ProviderError> {
    let doing = || format!("start container {node}");
    let Some(there) = inspect(engine, node).await? else {
        return Err(permanent(doing(), "it is not there any more", Some("apply again".to_owned())));
    };
    match there.state.and_then(|state| state.status) {
        Some(ContainerStateStatusEnum::RUNNING) => return Ok(()),
        Some(ContainerStateStatusEnum::PAUSED) => {
            return engine.unpause_container(node).await.map_err(|error| failed(doing(), error));
        }
        // It never ran: whoever made it may have been interrupted before the keys were in.
        Some(ContainerStateStatusEnum::CREATED) => put_keys(engine, node, keys).await?,
        _ => {}
    }
    match unless_status(engine.start_container(node, None).await, &[304]) {
        // The network was made anew while the container was stopped: it still looks for the old one.
        Err(error) if error.to_string().contains("network") && error.to_string().contains("not found") => {
            reconnect(engine, environment, node, address).await?;
            unless_status(engine.start_container(node, None).await, &[304]).map_err(|error| failed(doing(), error))
        }
        other => other.map_err(|error| failed(doing(), error)),
    }
}

/// Starts a container that belongs to the environment, where it was.
pub async fn start_again(engine: &Docker, environment: &str, node: &str, keys: &Keys) -> Result<(), ProviderError> {
    let doing = || format!("start container {node}");
    let there = own(engine, environment, node).await?;
    let address = address(&there, environment)
        .ok_or_else(|| permanent(doing(), "it has no address on its environment's network", None))?;
    start(engine, environment, node, address, keys).await
}

/// Ends the container at once, as a loss of power does. One that does not run is left so.
pub async fn kill(engine: &Docker, environment: &str, node: &str) -> Result<(), ProviderError> {
    own(engine, environment, node).await?;
    unless_status(engine.kill_container(node, None).await, &[409])
        .map_err(|error| failed(format!("kill container {node}"), error))
}

/// Shuts the container down in order.
pub async fn stop(engine: &Docker, environment: &str, node: &str) -> Result<(), ProviderError> {
    own(engine, environment, node).await?;
    let patience = StopContainerOptionsBuilder::new().t(60).build();
    unless_status(engine.stop_container(node, Some(patience)).await, &[304])
        .map_err(|error| failed(format!("stop container {node}"), error))
}

/// The container of a node, which must be the environment's.
async fn own(engine: &Docker, environment: &str, node: &str) -> Result<ContainerInspectResponse, ProviderError> {
    let there = inspect(engine, node).await?;
    there.filter(|there| label(there, labels::ENVIRONMENT) == Some(environment)).ok_or_else(|| {
        permanent(
            format!("switch container {node}"),
            "the environment has no such container",
            Some("apply first".to_owned()),
        )
    })
}

/// Removes the container and its volume.
pub async fn delete(engine: &Docker, handle: &str) -> Result<(), ProviderError> {
    let everything = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    unless_status(engine.remove_container(handle, Some(everything)).await, &[404])
        .map_err(|error| failed(format!("remove container {handle}"), error))
}

/// Changes the memory limit of a container that runs.
pub async fn limit_memory(engine: &Docker, node: &str, limit_mb: Option<u64>) -> Result<(), ProviderError> {
    let bytes = limit_mb.map_or(NO_LIMIT, megabytes);
    let update =
        ContainerUpdateBody { memory: Some(bytes), memory_swap: Some(bytes), ..ContainerUpdateBody::default() };
    engine
        .update_container(node, update)
        .await
        .map_err(|error| failed(format!("limit the memory of container {node}"), error))
}

/// The container of this name, if there is one.
pub async fn inspect(engine: &Docker, name: &str) -> Result<Option<ContainerInspectResponse>, ProviderError> {
    match engine.inspect_container(name, None).await {
        Ok(there) => Ok(Some(there)),
        Err(error) if status(&error) == Some(404) => Ok(None),
        Err(error) => Err(failed(format!("look at container {name}"), error)),
    }
}

/// A label of a container.
pub fn label<'a>(there: &'a ContainerInspectResponse, name: &str) -> Option<&'a str> {
    there.config.as_ref()?.labels.as_ref()?.get(name).map(String::as_str)
}

/// What a container is like, in the words of the node's resource.
pub fn attributes(there: &ContainerInspectResponse, environment: &str) -> BTreeMap<String, Value> {
    let host = there.host_config.as_ref();
    let memory = host.and_then(|host| host.memory).filter(|bytes| *bytes > 0 && *bytes < NO_LIMIT);
    let publish = host.and_then(|host| host.port_bindings.as_ref()).and_then(|bindings| {
        bindings.iter().find_map(|(target, bound)| {
            let port = bound.as_ref()?.first()?.host_port.as_ref()?;
            Some(format!("{port}:{}", target.trim_end_matches("/tcp")))
        })
    });
    let mut attributes = BTreeMap::from([
        ("memory_mb".to_owned(), memory.map_or(Value::Null, |bytes| Value::from(bytes >> 20))),
        ("publish".to_owned(), publish.map_or(Value::Null, Value::from)),
    ]);
    let hostname = there.config.as_ref().and_then(|config| config.hostname.clone());
    attributes.extend(hostname.map(|name| ("hostname".to_owned(), Value::from(name))));
    attributes.extend(address(there, environment).map(|a| ("address".to_owned(), Value::from(a.to_string()))));
    attributes.extend(label(there, labels::RECIPE).map(|recipe| ("image".to_owned(), Value::from(recipe))));
    attributes
}

/// The address a container was given on the environment's network.
pub fn address(there: &ContainerInspectResponse, environment: &str) -> Option<Ipv4Addr> {
    let networks = there.network_settings.as_ref()?.networks.as_ref()?;
    networks.get(&network::name(environment))?.ipam_config.as_ref()?.ipv4_address.as_ref()?.parse().ok()
}

fn body(blueprint: &Blueprint<'_>) -> ContainerCreateBody {
    let resource = blueprint.resource;
    let text = |name: &str| resource.attributes.get(name).and_then(Value::as_str);
    let mut labels = labels::of(blueprint.environment, &resource.id, resource.data_bearing);
    labels.insert(labels::NODE.to_owned(), blueprint.node.to_owned());
    labels.insert(labels::RECIPE.to_owned(), blueprint.recipe.to_owned());
    labels.extend(text("group").map(|group| (labels::GROUP.to_owned(), group.to_owned())));
    let memory = resource.attributes.get("memory_mb").and_then(Value::as_u64).map(megabytes);
    let publish = text("publish").and_then(|ports| ports.split_once(':')).map(|(port, target)| {
        let bound = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.to_owned()) };
        (format!("{target}/tcp"), Some(vec![bound]))
    });
    let tmpfs = [("/run", "exec"), ("/run/lock", ""), ("/tmp", "")];
    let host_config = HostConfig {
        network_mode: Some(network::name(blueprint.environment)),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        tmpfs: Some(tmpfs.map(|(path, options)| (path.to_owned(), options.to_owned())).into()),
        // Mounts of the services' sandboxes; Redis' sandbox; the node's own firewall.
        cap_add: Some(["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"].map(str::to_owned).into()),
        security_opt: blueprint.apparmor.then(|| vec!["apparmor=unconfined".to_owned()]),
        memory,
        memory_swap: memory,
        shm_size: Some(256 << 20),
        // A node that holds data has a disk of its own, beside the layers of its image.
        mounts: resource.data_bearing.then(|| vec![disk(&labels)]),
        port_bindings: publish.clone().map(|publish| HashMap::from([publish])),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        hostname: Some(text("hostname").unwrap_or(blueprint.node).to_owned()),
        image: Some(blueprint.image.clone()),
        stop_signal: Some("SIGRTMIN+3".to_owned()),
        exposed_ports: publish.map(|(port, _)| vec![port]),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(
                network::name(blueprint.environment),
                endpoint(blueprint.address),
            )])),
        }),
        labels: Some(labels),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    }
}

fn disk(labels: &HashMap<String, String>) -> Mount {
    Mount {
        target: Some("/var".to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions { labels: Some(labels.clone()), ..MountVolumeOptions::default() }),
        ..Mount::default()
    }
}

fn endpoint(address: Ipv4Addr) -> EndpointSettings {
    let fixed = EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..EndpointIpamConfig::default() };
    EndpointSettings { ipam_config: Some(fixed), ..EndpointSettings::default() }
}

async fn reconnect(engine: &Docker, environment: &str, node: &str, address: Ipv4Addr) -> Result<(), ProviderError> {
    let doing = || format!("connect container {node} to its network");
    let name = network::name(environment);
    let off = NetworkDisconnectRequest { container: node.to_owned(), force: Some(true) };
    unless_status(engine.disconnect_network(&name, off).await, &[403, 404]).map_err(|error| failed(doing(), error))?;
    let on = NetworkConnectRequest { container: node.to_owned(), endpoint_config: Some(endpoint(address)) };
    engine.connect_network(&name, on).await.map_err(|error| failed(doing(), error))
}

async fn put_keys(engine: &Docker, node: &str, keys: &Keys) -> Result<(), ProviderError> {
    let doing = || format!("put keys into container {node}");
    let files = [
        ("root/.ssh/authorized_keys", public(&keys.client()), 0o600),
        ("etc/ssh/ssh_host_ed25519_key", keys.host(node), 0o600),
        ("etc/ssh/ssh_host_ed25519_key.pub", public(&keys.host(node)), 0o644),
    ];
    let mut archive = tar::Builder::new(Vec::new());
    for (path, source, mode) in files {
        std::fs::read(&source)
            .and_then(|content| append(&mut archive, path, mode, &content))
            .map_err(|error| permanent(doing(), format!("{}: {error}", source.display()), None))?;
    }
    let bytes = archive.into_inner().map_err(|error| permanent(doing(), error.to_string(), None))?;
    let place = UploadToContainerOptionsBuilder::new().path("/").build();
    engine.upload_to_container(node, Some(place), body_full(bytes.into())).await.map_err(|error| failed(doing(), error))
}

/// Appends a file of root's to an archive.
pub fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, path, content)
}

fn megabytes(limit: u64) -> i64 {
    i64::try_from(limit << 20).unwrap_or(NO_LIMIT)
}
