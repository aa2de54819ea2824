//! Keys of the clouds: networks, images, disks, spare capacity, buckets.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::{
    super::{Balancer, NodeGroup, ProviderKind, model::NetworkMode, model::Via},
    Context,
};
use crate::diagnostic::Diagnostic;

/// Letters of the longest bucket name that a cloud takes, less what refarch puts around it.
const BUCKET: usize = 24;

/// Names that are not for node groups.
const RESERVED: [&str; 3] = ["everyone", "bastion", "balancer"];

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if context.is_unknown("provider") {
        return;
    }
    let provider = context.environment.provider;
    if !matches!(provider, ProviderKind::Aws | ProviderKind::Gcp | ProviderKind::Azure) {
        ignored(context, provider, found);
        return;
    }
    if provider != ProviderKind::Aws && context.is_written("aws") {
        found.push(context.key_warning("aws", format!("`aws` changes nothing with provider `{provider}`")));
    }
    if provider != ProviderKind::Azure && context.is_written("azure") {
        found.push(context.key_warning("azure", format!("`azure` changes nothing with provider `{provider}`")));
    }
    if provider != ProviderKind::Gcp && context.is_written("gcp") {
        found.push(context.key_warning("gcp", format!("`gcp` changes nothing with provider `{provider}`")));
    }
    let tunnel = match context.environment.ssh.via {
        Some(Via::Ssm) if provider != ProviderKind::Aws => Some("Systems Manager"),
        Some(Via::Iap) if provider != ProviderKind::Gcp => Some("Identity-Aware Proxy"),
        Some(Via::AzureBastion) if provider != ProviderKind::Azure => Some("Azure Bastion"),
        _ => None,
    };
    if let Some(tunnel) = tunnel {
        let fault = context.error("ssh.via", format!("provider `{provider}` has no {tunnel}"));
        let own = match provider {
            ProviderKind::Aws => "ssm",
            ProviderKind::Gcp => "iap",
            _ => "azure-bastion",
        };
        found.push(fault.hint(format!("`bastion`, `public` or `{own}`")));
    }
    ttl(context, found);
    network(context, found);
    for key in ["allowed_cidrs", "admin_cidrs"] {
        ranges(context, key, found);
    }
    image(context, found);
    buckets(context, found);
    for (name, group) in &context.environment.nodes {
        if RESERVED.contains(&name.as_str()) {
            let path = format!("nodes.{name}");
            let fault = context.key_error(&path, format!("a node group of a cloud cannot be called `{name}`"));
            found.push(fault.hint("refarch's own firewall has that name"));
        }
        disks(context, name, group, found);
        spot(context, name, group, found);
    }
    inner(context, found);
    account(context, found);
}

/// A group whose balancing role the cloud plays, and that has other roles, would share its name with the balancer.
fn inner(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(facts) = context.facts().filter(|_| context.environment.cloud.internal_balancer == Some(Balancer::Cloud))
    else {
        return;
    };
    let through = |name: &str| {
        let ports = facts.roles.values().flat_map(|role| &role.ports).flat_map(|port| &port.from);
        ports.filter_map(|reach| reach.through.as_deref()).any(|role| role == name)
    };
    for (name, group) in &context.environment.nodes {
        let roles = context.roles_of(name, group);
        if through(name) && roles.contains(&name.as_str()) && roles.len() > 1 {
            let path = format!("nodes.{name}");
            let message = format!("the cloud's balancer takes the place of role `{name}`, and the group has others");
            found.push(context.key_error(&path, message).hint("give the group another name"));
        }
    }
}

fn ignored(context: &Context<'_>, provider: ProviderKind, found: &mut Vec<Diagnostic>) {
    let keys = ["cloud", "aws", "gcp", "azure", "ttl", "ssh.via", "ssh.host_keys"];
    for key in keys.into_iter().filter(|key| context.is_written(key)) {
        found.push(context.key_warning(key, format!("`{key}` changes nothing with provider `{provider}`")));
    }
    for group in context.environment.nodes.keys() {
        for key in ["data_disk", "disk_throughput", "spot"] {
            let path = format!("nodes.{group}.{key}");
            if context.is_written(&path) {
                found.push(context.key_warning(&path, format!("`{key}` is ignored with provider `{provider}`")));
            }
        }
    }
}

fn ttl(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(ttl) = &context.environment.ttl else { return };
    let (number, unit) = ttl.split_at(ttl.len() - ttl.chars().last().map_or(0, char::len_utf8));
    if !number.parse::<u32>().is_ok_and(|number| number > 0) || !["m", "h", "d", "w"].contains(&unit) {
        found.push(context.error("ttl", format!("`{ttl}` is not a time")).hint("for example `8h`, `3d` or `30m`"));
    }
}

fn network(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let network = &context.environment.cloud.network;
    let mode = network.mode.unwrap_or(if network.id.is_some() { NetworkMode::Existing } else { NetworkMode::Create });
    match (mode, &network.id) {
        (NetworkMode::Existing, None) => {
            let fault = context.error("cloud.network.mode", "an existing network needs its `id`");
            found.push(fault.hint("add `id: vpc-...` below `network`"));
        }
        (NetworkMode::Create | NetworkMode::Default, Some(id)) => {
            let fault = context.error("cloud.network.id", format!("`{id}` would not be used: `mode` asks for another"));
            found.push(fault.hint("write `mode: existing`, or leave `mode` out"));
        }
        _ => {}
    }
    if mode != NetworkMode::Existing {
        for key in ["public_subnets", "private_subnets"] {
            let path = format!("cloud.network.{key}");
            if context.is_written(&path) {
                let fault =
                    context.key_error(&path, format!("`{key}` are of a network that exists, and none is named"));
                found.push(fault.hint("add `id: vpc-...` below `network`"));
            }
        }
    }
    let Some(cidr) = &network.cidr else { return };
    let path = "cloud.network.cidr";
    if mode != NetworkMode::Create {
        found.push(context.key_error(path, "a network that exists has its range already").hint("remove the line"));
        return;
    }
    let fault = match cidr.parse::<Ipv4Net>() {
        Err(_) => Some(("is not an IPv4 network".to_owned(), "for example `10.20.0.0/16`".to_owned())),
        Ok(range) if range.trunc() != range => {
            Some(("is an address inside a network".to_owned(), format!("the network is `{}`", range.trunc())))
        }
        Ok(range) if !(16..=22).contains(&range.prefix_len()) => {
            Some(("must be /16 to /22 wide".to_owned(), format!("for example `{}/16`", range.network())))
        }
        Ok(range) if !range.network().is_private() => Some((
            "is not a private network".to_owned(),
            "inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16".to_owned(),
        )),
        Ok(_) => None,
    };
    if let Some((what, hint)) = fault {
        found.push(context.error(path, format!("`{cidr}` {what}")).hint(hint));
    }
}

fn ranges(context: &Context<'_>, key: &str, found: &mut Vec<Diagnostic>) {
    let cloud = &context.environment.cloud;
    let list = if key == "allowed_cidrs" { &cloud.allowed_cidrs } else { &cloud.admin_cidrs };
    let path = format!("cloud.{key}");
    for range in list.iter().flatten() {
        let fault = match range.parse::<IpNet>() {
            Ok(net) if net.trunc() == net => continue,
            Ok(net) => context
                .error(&path, format!("`{range}` is an address inside a network"))
                .hint(format!("the network is `{}`", net.trunc())),
            Err(_) => {
                let hint = match range.parse::<IpAddr>() {
                    Ok(IpAddr::V4(_)) => format!("one address is `{range}/32`"),
                    Ok(IpAddr::V6(_)) => format!("one address is `{range}/128`"),
                    Err(_) => "for example `203.0.113.0/24`".to_owned(),
                };
                context.error(&path, format!("`{range}` is not a network")).hint(hint)
            }
        };
        found.push(fault);
    }
    if list.as_ref().is_some_and(Vec::is_empty) {
        let fault = context.error(&path, format!("`{key}` is empty: nobody would get in"));
        found.push(fault.hint("name your networks, or leave the line out"));
    }
}

fn image(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let image = &context.environment.cloud.image;
    let ways = [("family", image.family.is_some()), ("id", image.id.is_some()), ("name", image.name.is_some())];
    let given: Vec<&str> = ways.into_iter().filter(|(_, given)| *given).map(|(way, _)| way).collect();
    if let [first, second, ..] = given[..] {
        let path = format!("cloud.image.{second}");
        found.push(context.key_error(&path, format!("an image is found by `{first}` or by `{second}`, not by both")));
    }
    if image.name.is_some() && image.owner.is_none() {
        let fault = context.error("cloud.image.name", "an image found by its name needs the `owner`");
        found.push(fault.hint("anybody may publish an image under that name"));
    }
}

fn buckets(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen = std::collections::BTreeSet::new();
    for bucket in &context.environment.cloud.buckets {
        let letters =
            bucket.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
        if !letters || bucket.is_empty() || bucket.len() > BUCKET || bucket.starts_with('-') || bucket.ends_with('-') {
            let fault = context.error("cloud.buckets", format!("`{bucket}` cannot name a bucket"));
            found.push(fault.hint(format!("lower-case letters, digits and hyphens, at most {BUCKET}")));
        } else if !seen.insert(bucket) {
            found.push(context.error("cloud.buckets", format!("`{bucket}` is there twice")));
        }
    }
}

fn disks(context: &Context<'_>, name: &str, group: &NodeGroup, found: &mut Vec<Diagnostic>) {
    let Some(disk) = &group.data_disk else { return };
    let path = format!("nodes.{name}.data_disk.mount");
    let whole = disk.mount.starts_with('/') && disk.mount.len() > 1 && !disk.mount.split('/').any(|part| part == "..");
    if !whole || disk.mount.chars().any(|letter| !letter.is_ascii_alphanumeric() && !"/._-".contains(letter)) {
        let fault = context.error(&path, format!("`{}` is not a folder that a disk can be mounted on", disk.mount));
        found.push(fault.hint("for example `/var/opt/gitlab`"));
    }
}

fn spot(context: &Context<'_>, name: &str, group: &NodeGroup, found: &mut Vec<Diagnostic>) {
    if group.spot != Some(true) {
        return;
    }
    let Some(facts) = context.facts() else { return };
    let mut carried: Vec<&str> = Vec::new();
    let mut open = context.roles_of(name, group);
    while let Some(role) = open.pop() {
        if !carried.contains(&role) {
            carried.push(role);
            open.extend(facts.roles.get(role).into_iter().flat_map(|spec| spec.with.iter().map(String::as_str)));
        }
    }
    // As listed in the file, so that the first fault is the one that the user would name.
    carried.sort_unstable();
    for role in carried {
        let Some(spec) = facts.roles.get(role) else { continue };
        let why = if spec.data_bearing {
            "keeps data"
        } else if spec.count.odd {
            "takes part in a vote"
        } else {
            continue;
        };
        let path = format!("nodes.{name}.spot");
        let fault = context.error(&path, format!("role `{role}` {why}: its machines must not be taken away"));
        found.push(fault.hint("spot is for `app`, `sidekiq` and the like"));
        return;
    }
}

fn account(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let aws = &context.environment.aws;
    if let Some(account) = &aws.account
        && (account.len() != 12 || !account.chars().all(|letter| letter.is_ascii_digit()))
    {
        found.push(context.error("aws.account", format!("`{account}` is not an account number: it has 12 digits")));
    }
    if let Some(path) = &aws.iam_path
        && (!path.starts_with('/') || !path.ends_with('/'))
    {
        let fault = context.error("aws.iam_path", format!("`{path}` must begin and end with a slash"));
        found.push(fault.hint(format!("write `/{}/`", path.trim_matches('/'))));
    }
    if aws.instance_profile.is_some() && !context.environment.cloud.buckets.is_empty() {
        let message = "the profile that exists must allow the buckets itself: refarch writes no policy for it";
        found.push(context.key_warning("aws.instance_profile", message));
    }
}
