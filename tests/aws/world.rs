//! What an account has, without what differs from one time to the next: identifiers, addresses, times.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::front::tag;

/// Resource -> what there is, one line for each, sorted. Two accounts that are alike have the same.
pub fn shape(inventory: &Value) -> BTreeMap<String, Vec<String>> {
    let names = names(inventory);
    let mut shape = BTreeMap::new();
    for (resource, list) in inventory.as_object().unwrap() {
        let lines = list.as_array().unwrap().iter().map(|thing| line(resource, thing, &names));
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        shape.insert(resource.clone(), lines);
    }
    shape
}

/// Identifier -> name, of all that has one.
fn names(inventory: &Value) -> BTreeMap<String, String> {
    let keys = ["VpcId", "SubnetId", "GroupId", "InstanceId", "AllocationId", "NatGatewayId", "InternetGatewayId"];
    let mut names = BTreeMap::new();
    for thing in inventory.as_object().unwrap().values().flat_map(|list| list.as_array().unwrap()) {
        // The thing's own identifier is that of its kind: a subnet also has a VpcId.
        let own = keys.iter().rev().find_map(|key| thing.get(*key)).and_then(Value::as_str);
        if let (Some(id), Some(name)) = (own, tag(thing, "Name").or_else(|| text(thing, "GroupName"))) {
            names.insert(id.to_owned(), name);
        }
    }
    names
}

fn text(thing: &Value, key: &str) -> Option<String> {
    thing.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn line(resource: &str, thing: &Value, names: &BTreeMap<String, String>) -> String {
    let name =
        ["GroupName", "KeyName", "LoadBalancerName", "TargetGroupName", "Name", "RoleName", "InstanceProfileName"]
            .iter()
            .find_map(|key| text(thing, key))
            .or_else(|| tag(thing, "Name"))
            .unwrap_or_default();
    let mut tags: Vec<String> = thing["Tags"]
        .as_array()
        .into_iter()
        .flatten()
        // The run that made it, when, and which of several alike: not the same the next time.
        .filter(|tag| !["run", "expires", "launch"].iter().any(|part| tag["Key"].as_str().unwrap().ends_with(part)))
        .map(|tag| format!("{}={}", tag["Key"].as_str().unwrap(), tag["Value"].as_str().unwrap()))
        .collect();
    tags.sort();
    let details = match resource {
        "instances" => {
            let mut groups: Vec<String> = list(thing, "SecurityGroups", "GroupName");
            groups.sort();
            format!(
                "{} {} {} {} imds={} profile={} in {}",
                thing["InstanceType"],
                thing["State"]["Name"],
                thing["Placement"]["AvailabilityZone"],
                groups.join("+"),
                thing["MetadataOptions"]["HttpTokens"],
                thing.get("IamInstanceProfile").is_some(),
                known(&thing["SubnetId"], names),
            )
        }
        "volumes" => format!(
            "{} {} GB {} IOPS {} MiB/s encrypted={} {} {}",
            thing["VolumeType"],
            thing["Size"],
            thing["Iops"],
            thing["Throughput"],
            thing["Encrypted"],
            thing["AvailabilityZone"],
            thing["State"]
        ),
        "subnets" => format!("{} {}", thing["CidrBlock"], thing["AvailabilityZone"]),
        "security_groups" => {
            let mut rules: Vec<String> =
                thing["IpPermissions"].as_array().unwrap().iter().flat_map(|rule| self::rules(rule, names)).collect();
            rules.sort();
            rules.join("; ")
        }
        "nat_gateways" => format!("{} in {}", thing["State"], known(&thing["SubnetId"], names)),
        "addresses" => format!("used={}", thing.get("AssociationId").is_some()),
        "route_tables" => {
            let mut ways: Vec<String> = list(thing, "Routes", "DestinationCidrBlock");
            ways.sort();
            format!("{} of {} subnets", ways.join("+"), thing["Associations"].as_array().unwrap().len())
        }
        "listeners" | "target_groups" => format!("{} {}", thing["Protocol"], thing["Port"]),
        _ => String::new(),
    };
    format!("{name} {details} [{}]", tags.join(" "))
}

fn list(thing: &Value, list: &str, key: &str) -> Vec<String> {
    thing[list].as_array().into_iter().flatten().filter_map(|one| text(one, key)).collect()
}

fn known(id: &Value, names: &BTreeMap<String, String>) -> String {
    let id = id.as_str().unwrap_or_default();
    names.get(id).cloned().unwrap_or_else(|| id.to_owned())
}

fn rules(rule: &Value, names: &BTreeMap<String, String>) -> Vec<String> {
    let ports = format!("{} {}-{}", rule["IpProtocol"], rule["FromPort"], rule["ToPort"]);
    let groups = rule["UserIdGroupPairs"].as_array().into_iter().flatten();
    let ranges = rule["IpRanges"].as_array().into_iter().flatten();
    groups
        .map(|pair| format!("{ports} from {}", known(&pair["GroupId"], names)))
        .chain(ranges.map(|range| format!("{ports} from {}", range["CidrIp"])))
        .collect()
}
