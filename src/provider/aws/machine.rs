//! Instances: launch, start, stop, change, remove.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, BlockDeviceMapping, EbsBlockDevice, IamInstanceProfileSpecification,
    InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceMetadataOptionsRequest,
    InstanceNetworkInterfaceSpecification, InstanceStateName, InstanceType, MarketType, Placement, ResourceType as R,
    SpotInstanceType, SpotMarketOptions, VolumeType,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    AwsOptions,
    client::Clients,
    error::{code, failed, is_gone},
    list,
    network::nothing,
    place::Places,
    tag,
};
use crate::{
    event::StepLog,
    provider::{
        ErrorClass, FieldChange, ProviderError, Resource,
        cloud::{
            Launch, LaunchError, MACHINE, MachineState, Making, permanent,
            record::Image,
            tags::{self},
            waits::Waits,
        },
    },
};

/// Where a data disk is attached.
const DATA_DEVICE: &str = "/dev/sdf";

fn text<'a>(resource: &'a Resource, attribute: &str) -> Option<&'a str> {
    resource.attributes.get(attribute).and_then(Value::as_str)
}

fn number(resource: &Resource, attribute: &str) -> Option<i32> {
    resource.attributes.get(attribute).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok())
}

fn flag(resource: &Resource, attribute: &str) -> bool {
    resource.attributes.get(attribute) == Some(&Value::Bool(true))
}

/// Processor of a machine type, by its name: the `g` behind the generation is Graviton.
pub fn architecture(machine_type: &str) -> &'static str {
    let family = machine_type.split('.').next().unwrap_or_default();
    let options = family.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let options = options.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if options.starts_with('g') || family == "a1" { "arm64" } else { "x86_64" }
}

/// Makes machines that are alike with one call.
pub async fn launch(
    clients: &Clients,
    places: &Places,
    aws: &AwsOptions,
    launch: &Launch<'_>,
) -> Result<Vec<String>, LaunchError> {
    let Some(first) = launch.machines.first() else { return Ok(Vec::new()) };
    let names: Vec<&str> = launch.machines.iter().map(|machine| machine.id.trim_start_matches("node/")).collect();
    let doing = format!("launch {}", names.join(", "));
    let call = request(clients, places, aws, launch, first, &doing).await.map_err(LaunchError::Other)?;
    match call.send().await {
        Ok(made) => {
            let mut instances = made.instances.unwrap_or_default();
            instances.sort_by_key(|instance| instance.ami_launch_index().unwrap_or(0));
            let ending = |instance: &aws_sdk_ec2::types::Instance| {
                matches!(
                    instance.state().and_then(|state| state.name()),
                    Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown)
                )
            };
            if instances.iter().any(ending) {
                return Err(LaunchError::Used);
            }
            if instances.len() != launch.machines.len() {
                return Err(LaunchError::Other(nothing(&doing)));
            }
            Ok(instances.into_iter().filter_map(|instance| instance.instance_id).collect())
        }
        Err(error) => {
            let code = code(&error).to_owned();
            let told = failed(&doing, "ec2:RunInstances", &error);
            Err(match code.as_str() {
                "InsufficientInstanceCapacity"
                | "InsufficientHostCapacity"
                | "SpotMaxPriceTooLow"
                | "InsufficientCapacity"
                | "Unsupported"
                | "MaxSpotInstanceCountExceeded" => LaunchError::NoCapacity(told),
                "IdempotentParameterMismatch" | "IdempotentInstanceTerminated" => LaunchError::Used,
                _ => LaunchError::Other(told),
            })
        }
    }
}

async fn request(
    clients: &Clients,
    places: &Places,
    aws: &AwsOptions,
    launch: &Launch<'_>,
    first: &Resource,
    doing: &str,
) -> Result<aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder, ProviderError> {
    let zone = places.zone(clients, launch.zone).await?;
    let side = text(first, "subnet").unwrap_or("private");
    let id = format!("subnet/{side}-{}", launch.zone);
    let subnet = launch.book.handle(&id).ok_or_else(|| {
        let hint = "name a subnet of each zone in the file, or use fewer `cloud.zones`";
        permanent(doing, format!("the network has no {side} subnet in {zone}"), Some(hint))
    })?;
    let firewalls: Vec<String> = first
        .attributes
        .get("firewalls")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|name| launch.book.need(doing, &format!("firewall/{name}")))
        .collect::<Result<_, _>>()?;
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(subnet)
        .set_groups(Some(firewalls))
        .associate_public_ip_address(flag(first, "public_ip"))
        .delete_on_termination(true)
        .build();
    let count = i32::try_from(launch.machines.len()).unwrap_or(1);
    let key = launch.tags.get(tags::ENVIRONMENT).map(|name| tags::name(name, "key"));
    let image = describe_image(clients, launch.image, doing).await?;
    let root = image.root_device_name().unwrap_or("/dev/xvda").to_owned();
    let mut call = clients
        .ec2
        .run_instances()
        .image_id(launch.image)
        .min_count(count)
        .max_count(count)
        .client_token(launch.token)
        .set_key_name(key)
        .network_interfaces(interface)
        .placement(Placement::builder().availability_zone(zone).build())
        .metadata_options(
            InstanceMetadataOptionsRequest::builder()
                .http_tokens("required".into())
                .http_endpoint("enabled".into())
                .http_put_response_hop_limit(1)
                .build(),
        )
        .block_device_mappings(disk(first, "disk", &root, aws, true))
        .disable_api_termination(flag(first, "protected"))
        .tag_specifications(tag::spec(R::Instance, launch.tags));
    // A disk is no resource of its own: it is told by its environment alone, and whether it keeps data.
    let mut of_disk = launch.tags.clone();
    of_disk.retain(|key, _| ![tags::RESOURCE, tags::NODE, tags::LAUNCH, tags::INSTEAD_OF].contains(&key.as_str()));
    call = call.tag_specifications(tag::spec(R::Volume, &of_disk));
    if let Some(machine_type) = launch.machine_type {
        call = call.instance_type(InstanceType::from(machine_type));
    }
    if first.attributes.contains_key("data_gb") {
        call = call.block_device_mappings(disk(first, "data", DATA_DEVICE, aws, false));
    }
    if flag(first, "identity") {
        let environment = launch.tags.get(tags::ENVIRONMENT).map_or("", String::as_str);
        let name = aws.instance_profile.clone().unwrap_or_else(|| super::identity::name(environment));
        call = call.iam_instance_profile(IamInstanceProfileSpecification::builder().name(name).build());
    }
    if flag(first, "spot") {
        let spot = SpotMarketOptions::builder()
            .spot_instance_type(SpotInstanceType::OneTime)
            .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate);
        let market = InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(spot.build());
        call = call.instance_market_options(market.build());
    }
    if !launch.first_start.is_empty() {
        call = call.user_data(STANDARD.encode(launch.first_start));
    }
    Ok(call)
}

fn disk(resource: &Resource, start: &str, device: &str, aws: &AwsOptions, ends: bool) -> BlockDeviceMapping {
    let of = |name: &str| format!("{start}_{name}");
    let kind = text(resource, &of("type")).unwrap_or("gp3");
    let ebs = EbsBlockDevice::builder()
        .volume_type(VolumeType::from(kind))
        .set_volume_size(number(resource, &of("gb")))
        .set_iops(number(resource, &of("iops")))
        .set_throughput(number(resource, &of("throughput")))
        .encrypted(true)
        .set_kms_key_id(aws.kms_key.clone())
        .delete_on_termination(ends);
    BlockDeviceMapping::builder().device_name(device).ebs(ebs.build()).build()
}

/// An image by its identifier.
pub async fn describe_image(
    clients: &Clients,
    id: &str,
    doing: &str,
) -> Result<aws_sdk_ec2::types::Image, ProviderError> {
    // Held while asking, so that launches side by side ask once.
    let mut known = clients.images.lock().await;
    if let Some(image) = known.get(id) {
        return Ok(image.clone());
    }
    let there = clients.ec2.describe_images().image_ids(id).send().await;
    let there = there.map_err(|error| match is_gone(&error) {
        true => permanent(
            doing,
            format!("{} has no image {id}", clients.region),
            Some("it was withdrawn, or belongs to another region: name another one under `cloud.image`"),
        ),
        false => failed(doing, "ec2:DescribeImages", &error),
    })?;
    let image = there.images.unwrap_or_default().into_iter().next().ok_or_else(|| {
        permanent(doing, format!("{} has no image {id}", clients.region), Some("name another one under `cloud.image`"))
    })?;
    known.insert(id.to_owned(), image.clone());
    Ok(image)
}

/// Owner and name of a family's images.
fn family(name: &str, architecture: &str) -> (&'static str, String) {
    let short = if architecture == "arm64" { "arm64" } else { "amd64" };
    match name {
        "debian-13" => ("136693071363", format!("debian-13-{short}-*")),
        "ubuntu-22.04" => ("099720109477", format!("ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-{short}-server-*")),
        "ubuntu-24.04" => ("099720109477", format!("ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-{short}-server-*")),
        _ => ("136693071363", format!("debian-12-{short}-*")),
    }
}

/// The newest image of a family, or of a name and an owner.
pub async fn newest(
    clients: &Clients,
    chosen: &crate::provider::cloud::options::ImageOptions,
    architecture: &str,
    choice: String,
) -> Result<Image, ProviderError> {
    use crate::provider::cloud::options::ImageOptions;
    let (owner, name) = match chosen {
        ImageOptions::Id(id) => return Ok(Image { id: id.clone(), name: id.clone(), choice }),
        ImageOptions::Named { name, owner } => (owner.clone(), name.clone()),
        ImageOptions::Family(of) => {
            let (owner, name) = family(of, architecture);
            (owner.to_owned(), name)
        }
    };
    let doing = format!("find the image {name}");
    let filters = vec![
        tag::by("name", &[&name]),
        tag::by("architecture", &[architecture]),
        tag::by("state", &["available"]),
        tag::by("root-device-type", &["ebs"]),
    ];
    let pages = clients.ec2.describe_images().owners(&owner).set_filters(Some(filters)).into_paginator().items().send();
    let images: Vec<aws_sdk_ec2::types::Image> =
        pages.try_collect().await.map_err(|error| failed(&doing, "ec2:DescribeImages", &error))?;
    // Made on one day, the name decides, so that two controllers choose the same.
    let newest = images.into_iter().max_by_key(|image| {
        (image.creation_date().unwrap_or_default().to_owned(), image.name().unwrap_or_default().to_owned())
    });
    let newest = newest.and_then(|image| Some((image.image_id?, image.name.unwrap_or_default())));
    let Some((id, name)) = newest else {
        let message = format!("{} has no image of owner {owner} for {architecture} with that name", clients.region);
        return Err(permanent(doing, message, Some("name another one under `cloud.image`")));
    };
    Ok(Image { id, name, choice })
}

/// How far machines are, with one question for all.
pub async fn states(clients: &Clients, handles: Vec<String>) -> Result<BTreeMap<String, MachineState>, ProviderError> {
    let filters = vec![{
        let names: Vec<&str> = handles.iter().map(String::as_str).collect();
        // As a filter: an identifier that is not known yet is then no error.
        tag::by("instance-id", &names)
    }];
    let pages = clients.ec2.describe_instances().set_filters(Some(filters)).into_paginator().items().send();
    let there: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| failed("ask how far the machines are", "ec2:DescribeInstances", &error))?;
    let instances = there.iter().flat_map(|reservation| reservation.instances());
    Ok(instances
        .filter_map(|instance| {
            let state = match instance.state()?.name()? {
                InstanceStateName::Pending => MachineState::Pending,
                InstanceStateName::Running => MachineState::Running,
                InstanceStateName::Stopping => MachineState::Stopping,
                InstanceStateName::Stopped => MachineState::Stopped,
                InstanceStateName::ShuttingDown => MachineState::Ending,
                InstanceStateName::Terminated => MachineState::Gone,
                _ => return None,
            };
            Some((instance.instance_id()?.to_owned(), state))
        })
        .collect())
}

/// Gives a running machine the address that stays.
pub async fn settle(clients: &Clients, making: &Making<'_>, handle: &str) -> Result<(), ProviderError> {
    let Some(address) = text(making.resource, "address") else { return Ok(()) };
    let doing = format!("give {} its address", making.resource.id);
    let allocation = making.book.need(&doing, address)?;
    let associate = clients.ec2.associate_address().allocation_id(allocation).instance_id(handle);
    associate
        .allow_reassociation(true)
        .send()
        .await
        .map(drop)
        .map_err(|error| failed(&doing, "ec2:AssociateAddress", &error))
}

/// Starts a machine.
pub async fn start(clients: &Clients, handle: &str) -> Result<(), ProviderError> {
    let start = clients.ec2.start_instances().instance_ids(handle).send().await;
    start.map(drop).map_err(|error| {
        let mut told = failed(&format!("start {handle}"), "ec2:StartInstances", &error);
        if code(&error) == "InsufficientInstanceCapacity" {
            told.class = ErrorClass::Transient;
        }
        told
    })
}

/// Stops a machine.
pub async fn stop(clients: &Clients, handle: &str) -> Result<(), ProviderError> {
    let stop = clients.ec2.stop_instances().instance_ids(handle).send().await;
    stop.map(drop).map_err(|error| failed(&format!("stop {handle}"), "ec2:StopInstances", &error))
}

/// Takes a machine's power away.
pub async fn cut(clients: &Clients, handle: &str) -> Result<(), ProviderError> {
    let stop = clients.ec2.stop_instances().instance_ids(handle).force(true).skip_os_shutdown(true).send().await;
    stop.map(drop).map_err(|error| failed(&format!("switch off {handle}"), "ec2:StopInstances", &error))
}

/// Changes attributes; a machine type wants it stopped, which it is.
pub async fn change(
    clients: &Clients,
    aws: &AwsOptions,
    making: &Making<'_>,
    handle: &str,
    fields: &[FieldChange],
    log: &StepLog,
) -> Result<(), ProviderError> {
    let resource = making.resource;
    let doing = format!("change {}", resource.id);
    let modify = || clients.ec2.modify_instance_attribute().instance_id(handle);
    let refused = |error: &_| failed(&doing, "ec2:ModifyInstanceAttribute", error);
    let named = |name: &str| fields.iter().any(|field| field.name == name);
    if named("machine_type") {
        let wanted = AttributeValue::builder().value(text(resource, "machine_type").unwrap_or_default()).build();
        modify().instance_type(wanted).send().await.map_err(|error| refused(&error))?;
    }
    if named("protected") {
        protect(clients, handle, flag(resource, "protected"), &doing).await?;
    }
    if named("firewalls") {
        let wanted = resource.attributes.get("firewalls").and_then(Value::as_array).into_iter().flatten();
        let wanted: Vec<String> = wanted
            .filter_map(Value::as_str)
            .map(|name| making.book.need(&doing, &format!("firewall/{name}")))
            .collect::<Result<_, _>>()?;
        modify().set_groups(Some(wanted)).send().await.map_err(|error| refused(&error))?;
    }
    if named("address") {
        settle(clients, making, handle).await?;
    }
    if named("identity") && flag(resource, "identity") {
        let environment = making.tags.get(tags::ENVIRONMENT).map_or("", String::as_str);
        let name = aws.instance_profile.clone().unwrap_or_else(|| super::identity::name(environment));
        let profile = IamInstanceProfileSpecification::builder().name(name).build();
        let give = clients.ec2.associate_iam_instance_profile().instance_id(handle).iam_instance_profile(profile);
        give.send().await.map_err(|error| failed(&doing, "ec2:AssociateIamInstanceProfile", &error))?;
    }
    for start in ["disk", "data"] {
        if fields.iter().any(|field| field.name.starts_with(&format!("{start}_"))) {
            grow(clients, resource, handle, start, &doing, log).await?;
        }
    }
    Ok(())
}

async fn grow(
    clients: &Clients,
    resource: &Resource,
    handle: &str,
    start: &str,
    doing: &str,
    log: &StepLog,
) -> Result<(), ProviderError> {
    let there = clients.ec2.describe_instances().instance_ids(handle).send().await;
    let there = there.map_err(|error| failed(doing, "ec2:DescribeInstances", &error))?;
    let instance = there.reservations().iter().flat_map(|one| one.instances()).next();
    let root = instance.and_then(|instance| instance.root_device_name());
    let mappings = instance.into_iter().flat_map(|instance| instance.block_device_mappings());
    let mapping = mappings.into_iter().find(|mapping| (mapping.device_name() == root) == (start == "disk"));
    let Some(volume) = mapping.and_then(|mapping| mapping.ebs()?.volume_id()) else {
        return Err(permanent(doing, format!("{handle} has no such disk"), Some("`--replace` makes the node anew")));
    };
    let of = |name: &str| format!("{start}_{name}");
    let modify = clients
        .ec2
        .modify_volume()
        .volume_id(volume)
        .set_size(number(resource, &of("gb")))
        .set_volume_type(text(resource, &of("type")).map(VolumeType::from))
        .set_iops(number(resource, &of("iops")))
        .set_throughput(number(resource, &of("throughput")));
    modify.send().await.map_err(|error| {
        let mut told = failed(doing, "ec2:ModifyVolume", &error);
        if code(&error) == "VolumeModificationRateExceeded" {
            told.hint = Some("AWS changes a disk once in six hours: `apply` again later".to_owned());
        }
        told
    })?;
    log.line(format!("{volume} changes while it is in use; the file system grows at the node's next start, or with growpart and resize2fs"));
    Ok(())
}

async fn protect(clients: &Clients, handle: &str, on: bool, doing: &str) -> Result<(), ProviderError> {
    let value = AttributeBooleanValue::builder().value(on).build();
    let modify = clients.ec2.modify_instance_attribute().instance_id(handle).disable_api_termination(value);
    match modify.send().await {
        Err(error) if !on && is_gone(&error) => Ok(()),
        Err(error) => Err(failed(doing, "ec2:ModifyInstanceAttribute", &error)),
        Ok(_) => Ok(()),
    }
}

/// Removes a machine and its data disks, and waits until they are gone.
pub async fn remove(
    clients: &Clients,
    waits: &Waits<MachineState>,
    handle: &str,
    id: &str,
) -> Result<(), ProviderError> {
    let doing = format!("remove {id} ({handle})");
    let filters = vec![tag::by("attachment.instance-id", &[handle])];
    let volumes = clients.ec2.describe_volumes().set_filters(Some(filters)).into_paginator().items().send();
    let volumes: Vec<_> = volumes.try_collect().await.map_err(|error| failed(&doing, "ec2:DescribeVolumes", &error))?;
    let terminate = || clients.ec2.terminate_instances().instance_ids(handle).send();
    match terminate().await {
        Err(error) if is_gone(&error) => {}
        Err(error) if code(&error) == "OperationNotPermitted" => {
            // The step that removes it has the user's consent; the protection was against accidents.
            protect(clients, handle, false, &doing).await?;
            terminate().await.map_err(|error| failed(&doing, "ec2:TerminateInstances", &error))?;
        }
        Err(error) => return Err(failed(&doing, "ec2:TerminateInstances", &error)),
        Ok(_) => {}
    }
    let gone = |state: Option<&MachineState>| matches!(state, None | Some(MachineState::Gone));
    waits.until(&doing, handle, gone, MACHINE, |handles| states(clients, handles)).await?;
    for volume in volumes.iter().filter_map(|volume| volume.volume_id()) {
        super::network::remove(clients, crate::provider::cloud::blueprint::kind::DISK, volume, volume).await?;
    }
    Ok(())
}

/// The machine's Ed25519 host key, as its console showed it.
pub async fn host_key(clients: &Clients, handle: &str) -> Result<Option<String>, ProviderError> {
    let doing = format!("read the console of {handle}");
    let there = clients.ec2.get_console_output().instance_id(handle).latest(true).send().await;
    let there = match there {
        Ok(there) => Ok(there),
        // Only machines of newer kinds show what is there now.
        Err(error) if code(&error) == "UnsupportedOperation" => {
            clients.ec2.get_console_output().instance_id(handle).send().await
        }
        Err(error) => Err(error),
    };
    let there = there.map_err(|error| failed(&doing, "ec2:GetConsoleOutput", &error))?;
    let Some(output) = there.output() else { return Ok(None) };
    let text = STANDARD.decode(output.split_whitespace().collect::<String>()).unwrap_or_default();
    Ok(key_in(&String::from_utf8_lossy(&text)))
}

/// cloud-init writes the public keys between two marks.
fn key_in(console: &str) -> Option<String> {
    let (_, rest) = console.rsplit_once("-----BEGIN SSH HOST KEY KEYS-----")?;
    let (keys, _) = rest.split_once("-----END SSH HOST KEY KEYS-----")?;
    let line = keys.lines().find_map(|line| line.find("ssh-ed25519 ").map(|at| &line[at..]))?;
    let mut words = line.split_whitespace();
    let key = format!("{} {}", words.next()?, words.next()?);
    key.chars().all(|letter| letter.is_ascii_alphanumeric() || "+/= -".contains(letter)).then_some(key)
}

/// Instances of others' under the names of ours.
pub async fn strangers(
    clients: &Clients,
    environment: &str,
    names: &[(&str, &str)],
) -> Result<Vec<crate::provider::Stranger>, ProviderError> {
    let mut found = Vec::new();
    // A filter takes 200 values.
    for names in names.chunks(150) {
        let values: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        for (instance, _) in list::instances(clients, Some(vec![tag::by("tag:Name", &values)])).await? {
            let tags = tag::read(instance.tags());
            let name = tags.get(tags::NAME).map_or("", String::as_str);
            let resource = names.iter().find(|(_, wanted)| *wanted == name).map(|(id, _)| *id);
            if let (Some(resource), false) = (resource, tag::is_own(&tags, environment)) {
                found.push(crate::provider::Stranger {
                    resource: resource.to_owned(),
                    what: format!("instance {name}"),
                    handle: instance.instance_id.unwrap_or_default(),
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_by_machine_type() {
        for (machine_type, expected) in [
            ("c5.large", "x86_64"),
            ("c5n.xlarge", "x86_64"),
            ("m6g.large", "arm64"),
            ("c7gd.2xlarge", "arm64"),
            ("g4dn.xlarge", "x86_64"),
            ("t4g.small", "arm64"),
            ("a1.large", "arm64"),
            ("x2iedn.xlarge", "x86_64"),
            ("im4gn.large", "arm64"),
        ] {
            assert_eq!(architecture(machine_type), expected, "{machine_type}");
        }
    }

    #[test]
    fn a_console_shows_the_key_of_the_last_start() {
        let console = "ci-info: x\n-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 OLD root@a\n-----END SSH HOST KEY KEYS-----\n\
            [ 12.3] cloud-init: -----BEGIN SSH HOST KEY KEYS-----\necdsa-sha2-nistp256 AAAA root@a\n\
            [ 12.4] cloud-init: ssh-ed25519 AAAAC3Nz+/= root@a\n-----END SSH HOST KEY KEYS-----\n";
        assert_eq!(key_in(console).as_deref(), Some("ssh-ed25519 AAAAC3Nz+/="));
        assert_eq!(key_in("nothing yet"), None);
    }
}
