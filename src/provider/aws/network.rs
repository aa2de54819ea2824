//! Networks, subnets, gateways, routes, addresses. Calls that AWS would do twice look first and are never repeated by
//! the SDK.

use std::time::Duration;

use aws_sdk_ec2::types::{AttributeBooleanValue, DomainType, NatGatewayState, ResourceType as R, RouteTable};
use serde_json::Value;

use super::{
    client::Clients,
    error::{code, failed, is_gone, is_held},
    place::Places,
    tag,
};
use crate::provider::{
    ErrorClass, ProviderError,
    cloud::{Making, blueprint::kind, launch, permanent, tags},
};

/// How long something may be held by what is going away.
const HELD: Duration = Duration::from_secs(420);
/// How many gateways of one name AWS may remember.
const LIVES: u64 = 8;
/// How long a NAT gateway may take.
const NAT: Duration = Duration::from_secs(420);

fn text<'a>(making: &Making<'a>, attribute: &str) -> &'a str {
    making.resource.attributes.get(attribute).and_then(Value::as_str).unwrap_or_default()
}

fn environment<'a>(making: &Making<'a>) -> &'a str {
    making.tags.get(tags::ENVIRONMENT).map_or("", String::as_str)
}

fn is_this(making: &Making<'_>, tags: &[aws_sdk_ec2::types::Tag]) -> bool {
    tag::is(tags, environment(making), &making.resource.id)
}

/// Makes the network.
pub async fn network(clients: &Clients, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("create network {}", text(making, "cidr"));
    let own = tag::one(environment(making), &making.resource.id);
    let there = clients.ec2.describe_vpcs().set_filters(Some(own.to_vec())).send().await;
    let there = there.map_err(|error| failed(&doing, "ec2:DescribeVpcs", &error))?;
    let found =
        there.vpcs().iter().find(|vpc| is_this(making, vpc.tags())).and_then(|vpc| vpc.vpc_id()).map(str::to_owned);
    let id = match found {
        Some(id) => id,
        None => {
            let specs = tag::spec(R::Vpc, making.tags);
            let made = clients.ec2_once.create_vpc().cidr_block(text(making, "cidr")).tag_specifications(specs);
            let made = made.send().await.map_err(|error| failed(&doing, "ec2:CreateVpc", &error))?;
            made.vpc().and_then(|vpc| vpc.vpc_id()).map(str::to_owned).ok_or_else(|| nothing(&doing))?
        }
    };
    // Names inside, which the nodes of some images look themselves up by.
    let on = AttributeBooleanValue::builder().value(true).build();
    let set = clients.ec2.modify_vpc_attribute().vpc_id(&id).enable_dns_hostnames(on).send().await;
    set.map_err(|error| failed(&doing, "ec2:ModifyVpcAttribute", &error))?;
    Ok(id)
}

/// Makes a subnet.
pub async fn subnet(clients: &Clients, places: &Places, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("create {}", making.resource.id);
    let vpc = making.book.need(&doing, "network")?;
    let zone = making.resource.attributes.get("zone").and_then(Value::as_u64).unwrap_or(1);
    let zone = places.zone(clients, zone as usize).await?;
    let own = tag::one(environment(making), &making.resource.id);
    let there = clients.ec2.describe_subnets().set_filters(Some(own.to_vec())).send().await;
    let there = there.map_err(|error| failed(&doing, "ec2:DescribeSubnets", &error))?;
    let found = there
        .subnets()
        .iter()
        .find(|subnet| is_this(making, subnet.tags()))
        .and_then(|subnet| subnet.subnet_id())
        .map(str::to_owned);
    let id = match found {
        Some(id) => id,
        None => {
            let create = clients.ec2_once.create_subnet().vpc_id(&vpc).cidr_block(text(making, "cidr"));
            let create = create.availability_zone(&zone).tag_specifications(tag::spec(R::Subnet, making.tags));
            let made = create.send().await.map_err(|error| {
                let mut error_here = failed(&doing, "ec2:CreateSubnet", &error);
                if code(&error) == "InvalidSubnet.Conflict" {
                    // The answer of an earlier attempt was lost: it is there, and will be listed in a moment.
                    error_here.class = ErrorClass::Transient;
                }
                error_here
            })?;
            made.subnet().and_then(|subnet| subnet.subnet_id()).map(str::to_owned).ok_or_else(|| nothing(&doing))?
        }
    };
    if making.resource.attributes.get("public") == Some(&Value::Bool(true)) {
        let on = AttributeBooleanValue::builder().value(true).build();
        let set = clients.ec2.modify_subnet_attribute().subnet_id(&id).map_public_ip_on_launch(on).send().await;
        set.map_err(|error| failed(&doing, "ec2:ModifySubnetAttribute", &error))?;
    }
    Ok(id)
}

/// Makes the internet gateway and attaches it.
pub async fn gateway(clients: &Clients, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = "create the internet gateway";
    let vpc = making.book.need(doing, "network")?;
    let own = tag::one(environment(making), &making.resource.id);
    let there = clients.ec2.describe_internet_gateways().set_filters(Some(own.to_vec())).send().await;
    let there = there.map_err(|error| failed(doing, "ec2:DescribeInternetGateways", &error))?;
    let (id, attached) = match there.internet_gateways().iter().find(|gateway| is_this(making, gateway.tags())) {
        Some(found) => {
            let attached = found.attachments().iter().any(|attachment| attachment.vpc_id() == Some(&vpc));
            (found.internet_gateway_id().unwrap_or_default().to_owned(), attached)
        }
        None => {
            let create = clients.ec2_once.create_internet_gateway();
            let made = create.tag_specifications(tag::spec(R::InternetGateway, making.tags)).send().await;
            let made = made.map_err(|error| failed(doing, "ec2:CreateInternetGateway", &error))?;
            let id = made.internet_gateway().and_then(|gateway| gateway.internet_gateway_id()).map(str::to_owned);
            (id.ok_or_else(|| nothing(doing))?, false)
        }
    };
    if !attached {
        let attach = clients.ec2.attach_internet_gateway().internet_gateway_id(&id).vpc_id(&vpc).send().await;
        match attach {
            Err(error) if code(&error) != "Resource.AlreadyAssociated" => {
                return Err(failed(doing, "ec2:AttachInternetGateway", &error));
            }
            _ => {}
        }
    }
    Ok(id)
}

/// Takes an address.
pub async fn address(clients: &Clients, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("take {}", making.resource.id);
    let own = tag::one(environment(making), &making.resource.id);
    let there = clients.ec2.describe_addresses().set_filters(Some(own.to_vec())).send().await;
    let there = there.map_err(|error| failed(&doing, "ec2:DescribeAddresses", &error))?;
    let mut own = there.addresses().iter().filter(|address| is_this(making, address.tags()));
    if let Some(id) = own.find_map(|address| address.allocation_id()) {
        return Ok(id.to_owned());
    }
    let create = clients.ec2_once.allocate_address().domain(DomainType::Vpc);
    let made = create.tag_specifications(tag::spec(R::ElasticIp, making.tags)).send().await;
    let made = made.map_err(|error| failed(&doing, "ec2:AllocateAddress", &error))?;
    made.allocation_id().map(str::to_owned).ok_or_else(|| nothing(&doing))
}

/// Makes a NAT gateway and waits until it works.
pub async fn nat(clients: &Clients, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("create {}", making.resource.id);
    let subnet = making.book.need(&doing, text(making, "subnet"))?;
    let address = making.book.need(&doing, text(making, "address"))?;
    let own = tag::one(environment(making), &making.resource.id);
    let states = tag::by("state", &["pending", "available"]);
    let there = clients.ec2.describe_nat_gateways().set_filter(Some(own.into_iter().chain([states]).collect()));
    let there = there.send().await.map_err(|error| failed(&doing, "ec2:DescribeNatGateways", &error))?;
    let found = there.nat_gateways().iter().find(|nat| is_this(making, nat.tags()));
    let found = found.and_then(|nat| nat.nat_gateway_id()).map(str::to_owned);
    if let Some(id) = found {
        await_nat(clients, &doing, &id, arrived).await?;
        return Ok(id);
    }
    // AWS remembers a token also for a gateway that is gone: then the next one is for a new gateway.
    for generation in 0..LIVES {
        let parts = [address.clone(), subnet.clone()];
        let token = launch::token(environment(making), &clients.region, &making.resource.id, &parts, generation);
        let create = clients.ec2.create_nat_gateway().subnet_id(&subnet).allocation_id(&address).client_token(token);
        let made = create.tag_specifications(tag::spec(R::Natgateway, making.tags)).send().await;
        let made = made.map_err(|error| failed(&doing, "ec2:CreateNatGateway", &error))?;
        let id = made.nat_gateway().and_then(|nat| nat.nat_gateway_id()).ok_or_else(|| nothing(&doing))?.to_owned();
        if await_nat(clients, &doing, &id, arrived).await? {
            return Ok(id);
        }
    }
    Err(permanent(doing, "the NAT gateway does not come up", Some("the VPC's page tells why; then `apply` again")))
}

/// True where it works, false where it never will, none while it is on its way.
fn arrived(state: Option<&NatGatewayState>) -> Option<bool> {
    match state {
        Some(NatGatewayState::Available) => Some(true),
        Some(NatGatewayState::Failed | NatGatewayState::Deleted | NatGatewayState::Deleting) => Some(false),
        _ => None,
    }
}

async fn await_nat(
    clients: &Clients,
    doing: &str,
    id: &str,
    until: fn(Option<&NatGatewayState>) -> Option<bool>,
) -> Result<bool, ProviderError> {
    let end = tokio::time::Instant::now() + NAT;
    let mut pause = Duration::from_millis(500);
    loop {
        let state = match clients.ec2.describe_nat_gateways().nat_gateway_ids(id).send().await {
            Ok(there) => there.nat_gateways().first().and_then(|nat| nat.state().cloned()),
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(failed(doing, "ec2:DescribeNatGateways", &error)),
        };
        if let Some(done) = until(state.as_ref()) {
            return Ok(done);
        }
        if tokio::time::Instant::now() + pause > end {
            return Err(permanent(doing, format!("{id} is not done after {} s", NAT.as_secs()), Some("`apply` again")));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(10));
    }
}

/// Makes a route table with its default way and its subnets.
pub async fn routes(clients: &Clients, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("create {}", making.resource.id);
    let vpc = making.book.need(&doing, "network")?;
    let id = match route_table(clients, &doing, making).await? {
        Some(table) => table.route_table_id().unwrap_or_default().to_owned(),
        None => {
            let create = clients.ec2_once.create_route_table().vpc_id(vpc);
            let made = create.tag_specifications(tag::spec(R::RouteTable, making.tags)).send().await;
            let made = made.map_err(|error| failed(&doing, "ec2:CreateRouteTable", &error))?;
            let id = made.route_table().and_then(|table| table.route_table_id()).map(str::to_owned);
            id.ok_or_else(|| nothing(&doing))?
        }
    };
    set_routes(clients, &doing, making, &id).await?;
    Ok(id)
}

async fn route_table(clients: &Clients, doing: &str, making: &Making<'_>) -> Result<Option<RouteTable>, ProviderError> {
    let own = tag::one(environment(making), &making.resource.id);
    let there = clients.ec2.describe_route_tables().set_filters(Some(own.to_vec())).send().await;
    let there = there.map_err(|error| failed(doing, "ec2:DescribeRouteTables", &error))?;
    Ok(there.route_tables.unwrap_or_default().into_iter().find(|table| is_this(making, table.tags())))
}

/// Makes a table's ways and subnets what they should be.
pub async fn set_routes(clients: &Clients, doing: &str, making: &Making<'_>, id: &str) -> Result<(), ProviderError> {
    let there = clients.ec2.describe_route_tables().route_table_ids(id).send().await;
    let there = there.map_err(|error| failed(doing, "ec2:DescribeRouteTables", &error))?;
    let table = there.route_tables().first();
    let way = text(making, "default");
    if !way.is_empty() {
        let target = making.book.need(doing, way)?;
        let present = table
            .into_iter()
            .flat_map(RouteTable::routes)
            .find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"));
        let good = present.is_some_and(|route| {
            [route.gateway_id(), route.nat_gateway_id()].contains(&Some(target.as_str()))
                && route.state().is_none_or(|state| state.as_str() != "blackhole")
        });
        let is_nat = way.starts_with("nat/");
        if present.is_none() {
            let create = clients.ec2.create_route().route_table_id(id).destination_cidr_block("0.0.0.0/0");
            let create = if is_nat { create.nat_gateway_id(&target) } else { create.gateway_id(&target) };
            match create.send().await {
                Err(error) if code(&error) != "RouteAlreadyExists" => {
                    return Err(failed(doing, "ec2:CreateRoute", &error));
                }
                _ => {}
            }
        } else if !good {
            let replace = clients.ec2.replace_route().route_table_id(id).destination_cidr_block("0.0.0.0/0");
            let replace = if is_nat { replace.nat_gateway_id(&target) } else { replace.gateway_id(&target) };
            replace.send().await.map_err(|error| failed(doing, "ec2:ReplaceRoute", &error))?;
        }
    }
    let wanted = making.resource.attributes.get("subnets").and_then(Value::as_array);
    for subnet in wanted.into_iter().flatten().filter_map(Value::as_str) {
        let subnet = making.book.need(doing, subnet)?;
        let has = table.into_iter().flat_map(RouteTable::associations).any(|one| one.subnet_id() == Some(&subnet));
        if !has {
            match clients.ec2.associate_route_table().route_table_id(id).subnet_id(&subnet).send().await {
                Err(error) if code(&error) != "Resource.AlreadyAssociated" => {
                    return Err(failed(doing, "ec2:AssociateRouteTable", &error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes one of these. Waits as long as something that is going away holds it.
pub async fn remove(clients: &Clients, kind: &str, handle: &str, id: &str) -> Result<(), ProviderError> {
    let doing = format!("remove {id} ({handle})");
    let end = tokio::time::Instant::now() + HELD;
    let mut pause = Duration::from_millis(500);
    loop {
        let outcome = remove_once(clients, kind, handle, &doing).await;
        match outcome {
            Ok(true) => return Ok(()),
            Ok(false) if tokio::time::Instant::now() + pause < end => {}
            Ok(false) => {
                let hint = "something that refarch did not make is in it: remove that, then `destroy` again";
                return Err(permanent(doing, format!("still in use after {} s", HELD.as_secs()), Some(hint)));
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(10));
    }
}

/// True: gone. False: held by something.
async fn remove_once(clients: &Clients, kind: &str, handle: &str, doing: &str) -> Result<bool, ProviderError> {
    macro_rules! done {
        ($call:expr, $permission:literal) => {
            match $call.send().await {
                Ok(_) => Ok(true),
                Err(error) if is_gone(&error) => Ok(true),
                Err(error) if is_held(&error) => Ok(false),
                Err(error) => Err(failed(doing, $permission, &error)),
            }
        };
    }
    match kind {
        kind::NETWORK => done!(clients.ec2.delete_vpc().vpc_id(handle), "ec2:DeleteVpc"),
        kind::SUBNET => done!(clients.ec2.delete_subnet().subnet_id(handle), "ec2:DeleteSubnet"),
        kind::ADDRESS => done!(clients.ec2.release_address().allocation_id(handle), "ec2:ReleaseAddress"),
        kind::DISK => done!(clients.ec2.delete_volume().volume_id(handle), "ec2:DeleteVolume"),
        kind::FIREWALL => done!(clients.ec2.delete_security_group().group_id(handle), "ec2:DeleteSecurityGroup"),
        kind::GATEWAY => {
            let there = clients.ec2.describe_internet_gateways().internet_gateway_ids(handle).send().await;
            let there = match there {
                Ok(there) => there,
                Err(error) if is_gone(&error) => return Ok(true),
                Err(error) => return Err(failed(doing, "ec2:DescribeInternetGateways", &error)),
            };
            let gateways = there.internet_gateways().iter();
            let vpcs = gateways.flat_map(|gateway| gateway.attachments()).filter_map(|attachment| attachment.vpc_id());
            for vpc in vpcs {
                let detach = clients.ec2.detach_internet_gateway().internet_gateway_id(handle).vpc_id(vpc);
                if !done!(detach, "ec2:DetachInternetGateway")? {
                    return Ok(false);
                }
            }
            done!(clients.ec2.delete_internet_gateway().internet_gateway_id(handle), "ec2:DeleteInternetGateway")
        }
        kind::ROUTES => {
            let there = match clients.ec2.describe_route_tables().route_table_ids(handle).send().await {
                Ok(there) => there,
                Err(error) if is_gone(&error) => return Ok(true),
                Err(error) => return Err(failed(doing, "ec2:DescribeRouteTables", &error)),
            };
            for one in there.route_tables().iter().flat_map(|table| table.associations()) {
                if let Some(association) = one.route_table_association_id() {
                    let leave = clients.ec2.disassociate_route_table().association_id(association);
                    if !done!(leave, "ec2:DisassociateRouteTable")? {
                        return Ok(false);
                    }
                }
            }
            done!(clients.ec2.delete_route_table().route_table_id(handle), "ec2:DeleteRouteTable")
        }
        kind::NAT => {
            if !done!(clients.ec2.delete_nat_gateway().nat_gateway_id(handle), "ec2:DeleteNatGateway")? {
                return Ok(false);
            }
            let gone = |state: Option<&NatGatewayState>| {
                matches!(state, None | Some(NatGatewayState::Deleted)).then_some(true)
            };
            await_nat(clients, doing, handle, gone).await
        }
        _ => Err(permanent(doing, format!("AWS has no {kind}"), None)),
    }
}

/// AWS said yes and named nothing.
pub fn nothing(doing: &str) -> ProviderError {
    ProviderError {
        doing: doing.to_owned(),
        message: "AWS said yes and named nothing".to_owned(),
        hint: Some("the same command again finds out what is there".to_owned()),
        class: ErrorClass::Transient,
    }
}
