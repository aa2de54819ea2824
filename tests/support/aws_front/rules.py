"""What AWS refuses and moto lets pass. Each function looks at a call before it is done, and raises a `Refusal`."""

from . import placement
from .answers import Refusal
from .backend import state

# Families that count against "Running On-Demand Standard instances".
_STANDARD = "acdhimrtz"
_GONE = ("terminated",)


def check(world, call):
    """Refuses what AWS would refuse."""
    if rule := RULES.get((call.service, call.operation)):
        rule(world, call)


def instances(region, alive=True):
    """Every instance; by default those that still take room."""
    found = [one for reservation in list(state("ec2", region).reservations.values()) for one in reservation.instances]
    return [one for one in found if one.state not in _GONE] if alive else found


def instance_type(name):
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    return INSTANCE_TYPES.get(name)


def vcpus(name):
    """Virtual CPUs of a type; 0 for one that is not known."""
    return (instance_type(name) or {}).get("VCpuInfo", {}).get("DefaultVCpus", 0)


def tag_filters(call):
    """Filters `tag:KEY` of a describe call: key -> values."""
    found = {}
    for wanted in [*call.groups("Filter"), *call.groups("Filters")]:
        name = wanted.get("Name", "")
        if name.startswith("tag:"):
            found[name[4:]] = {value for key, value in wanted.items() if key.startswith("Value")}
    return found


def tagged(tags, wanted):
    """Whether these tags, a list of keys and values, are what the filters want."""
    own = {tag["key"]: tag["value"] for tag in tags}
    return all(own.get(key) in values for key, values in wanted.items())


def zone_of(call):
    """The zone that RunInstances is for."""
    if zone := call.params.get("Placement.AvailabilityZone"):
        return zone
    subnet = call.params.get("SubnetId") or call.params.get("NetworkInterface.1.SubnetId")
    for zone in state("ec2", call.region).subnets.values():
        if subnet in zone:
            return zone[subnet].availability_zone
    return f"{call.region}a"


def matches(wishes, zone, kind):
    """Whether one of the settings `{"zone": .., "type": ..}` is about this zone and type."""
    return any(wish.get("zone", zone) == zone and wish.get("type", kind) == kind for wish in wishes)


def _run_instances(world, call):
    params, settings = call.params, world.settings
    kind, zone = params.get("InstanceType", "m1.small"), zone_of(call)
    lowest, highest = int(params.get("MinCount", 1)), int(params.get("MaxCount", 1))
    if not 1 <= lowest <= highest:
        raise Refusal("InvalidParameterValue", "The maximum instance count must not be below the minimum.")
    known = instance_type(kind)
    if known and matches(settings.not_offered, zone, kind):
        raise Refusal(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}).",
        )
    group = params.get("Placement.GroupName")
    if group and group not in placement.of(world, call.region):
        raise Refusal("InvalidPlacementGroup.Unknown", f"The Placement Group '{group}' is unknown.")
    _image_fits(call, kind, known)
    _groups_are_of_the_subnets_network(call)
    for disk in call.groups("BlockDeviceMapping"):
        _disk(disk.get("Ebs.VolumeType"), disk.get("Ebs.Iops"), disk.get("Ebs.Throughput"), disk.get("Ebs.VolumeSize"))
    profile = params.get("IamInstanceProfile.Name") or params.get("IamInstanceProfile.Arn", "").rpartition("/")[2]
    if profile and world.profiles.get(profile, 0) > world.now():
        raise Refusal(
            "InvalidParameterValue",
            f"Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
        )
    wanted = vcpus(kind) * highest
    if kind[0] in _STANDARD:
        code = "L-34B43A08" if params.get("InstanceMarketOptions.MarketType") == "spot" else "L-1216C47A"
        used = sum(vcpus(one.instance_type) for one in instances(call.region) if one.state in ("pending", "running"))
        if used + wanted > settings.quotas[code]:
            if code == "L-34B43A08":
                raise Refusal("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
            raise Refusal(
                "VcpuLimitExceeded",
                f"You have requested more vCPU capacity than your current vCPU limit of {settings.quotas[code]:.0f} "
                "allows for the instance bucket that the specified instance type belongs to. Please visit "
                "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
            )
    if matches(settings.capacity, zone, kind):
        raise Refusal(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). Our "
            "system will be working on provisioning additional capacity.",
            500,
        )


def _image_fits(call, kind, known):
    images = [one for one in state("ec2", call.region).amis.values() if one.id == call.params.get("ImageId")]
    if known and images:
        able = known["ProcessorInfo"]["SupportedArchitectures"]
        if images[0].architecture not in able:
            raise Refusal(
                "InvalidParameterValue",
                f"The architecture '{'/'.join(able)}' of the specified instance type does not match the architecture "
                f"'{images[0].architecture}' of the specified AMI. Specify an instance type and an AMI that have "
                "matching architectures, and try again.",
            )


def _groups_are_of_the_subnets_network(call):
    nic = (call.groups("NetworkInterface") or [{}])[0]
    subnet = find_subnet(call.region, call.params.get("SubnetId") or nic.get("SubnetId"))
    if not subnet:
        return
    groups = call.listed("SecurityGroupId") + [value for name, value in nic.items() if name.startswith("SecurityGroupId")]
    for group in groups:
        found = state("ec2", call.region).get_security_group_from_id(group)
        if found and found.vpc_id != subnet.vpc_id:
            raise Refusal(
                "InvalidParameter", f"Security group {group} and subnet {subnet.id} belong to different networks."
            )


def find_subnet(region, identifier):
    """The subnet of this id, wherever it lies."""
    for zone in state("ec2", region).subnets.values():
        if identifier in zone:
            return zone[identifier]
    return None


def _disk(kind, iops, throughput, size):
    if kind != "gp3":
        return
    iops, throughput, size = int(iops or 3000), int(throughput or 125), int(size or 8)
    if not 3000 <= iops <= 80000:
        raise Refusal("InvalidParameterValue", f"Volume iops of {iops} is out of the range 3000 to 80000 of gp3.")
    if iops > 500 * max(size, 6):
        raise Refusal("InvalidParameterCombination", f"Iops to volume size ratio of {iops}/{size} is too high; maximum is 500.")
    if not 125 <= throughput <= 2000:
        raise Refusal("InvalidParameterValue", f"Throughput {throughput} is out of the range 125 to 2000 of gp3.")
    if throughput > iops / 4:
        raise Refusal(
            "InvalidParameterCombination", f"Throughput (MiBps) to iops ratio of {throughput / iops} is too high; maximum is 0.25."
        )


def _create_volume(_world, call):
    zone = call.params.get("AvailabilityZone", "")
    if zone[:-1] != call.region or not zone[-1:].isalpha():
        raise Refusal("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    _disk(*(call.params.get(name) for name in ("VolumeType", "Iops", "Throughput", "Size")))


def _attach_volume(world, call):
    ec2 = state("ec2", call.region)
    volume = ec2.volumes.get(call.params.get("VolumeId"))
    instance = next((one for one in instances(call.region) if one.id == call.params.get("InstanceId")), None)
    if not volume or not instance:
        return
    if volume.attachment:
        raise Refusal("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.id in world.passages:
        raise Refusal("IncorrectState", f"{volume.id} is not 'available'.")
    if volume.zone.name != instance.placement.zone:
        raise Refusal(
            "InvalidVolume.ZoneMismatch", f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'"
        )
    if instance.state not in ("running", "stopped"):
        raise Refusal("IncorrectState", f"Instance '{instance.id}' is not 'running'.")


def _delete_volume(_world, call):
    volume = state("ec2", call.region).volumes.get(call.params.get("VolumeId"))
    if volume and volume.attachment:
        raise Refusal("VolumeInUse", f"Volume {volume.id} is currently attached to {volume.attachment.instance.id}")


def _modify_instance(_world, call):
    for one in instances(call.region):
        if one.id != call.params.get("InstanceId"):
            continue
        if call.params.get("InstanceType.Value") and one.state != "stopped":
            raise Refusal("IncorrectInstanceState", f"The instance '{one.id}' is not in the 'stopped' state.")


def _start_instances(_world, call):
    named = set(call.listed("InstanceId"))
    for one in instances(call.region, alive=False):
        if one.id in named and one.state not in ("stopped", "running", "pending"):
            raise Refusal("IncorrectInstanceState", f"The instance '{one.id}' is not in a state from which it can be started.")


def _stop_instances(_world, call):
    named = set(call.listed("InstanceId"))
    for one in instances(call.region, alive=False):
        if one.id in named and one.state in ("pending", "shutting-down", "terminated"):
            raise Refusal("IncorrectInstanceState", f"The instance '{one.id}' is not in a state from which it can be stopped.")


def _delete_security_group(world, call):
    ec2 = state("ec2", call.region)
    group = call.params.get("GroupId")
    if group is None:
        return
    used = any(group in [one.id for one in instance.security_groups] for instance in instances(call.region))
    used = used or any(group in [one.id for one in nic.group_set] for nic in ec2.enis.values() if not _left_behind(nic))
    used = used or any(group in (balancer.security_groups or []) for balancer in _balancers(call.region))
    used = used or any(group in held["groups"] for held in world.lingering)
    used = used or any(
        group == rule.source_group.get("GroupId")
        for groups in ec2.groups.values()
        for other in groups.values()
        for rule in [*other.ingress_rules, *other.egress_rules]
        if other.id != group
    )
    if used:
        raise Refusal("DependencyViolation", f"resource {group} has a dependent object")


def _left_behind(nic):
    return nic.instance is not None and nic.instance.state in _GONE


def _balancers(region):
    return list(state("elbv2", region).load_balancers.values())


def _nats(region, subnet=None):
    nats = state("ec2", region).nat_gateways.values()
    return [nat for nat in nats if nat.state != "deleted" and subnet in (None, nat.subnet_id)]


def _delete_subnet(world, call):
    subnet = call.params.get("SubnetId")
    used = any(one.subnet_id == subnet for one in instances(call.region)) or bool(_nats(call.region, subnet))
    used = used or any(subnet in [one.id for one in balancer.subnets] for balancer in _balancers(call.region))
    used = used or any(subnet in held["subnets"] for held in world.lingering)
    if used:
        raise Refusal("DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted.")


def _detach_internet_gateway(world, call):
    vpc, ec2 = call.params.get("VpcId"), state("ec2", call.region)
    public = any(one.vpc_id == vpc and one.public_ip for one in instances(call.region))
    public = public or any(nat.vpc_id == vpc for nat in _nats(call.region))
    public = public or any(
        balancer.vpc_id == vpc and balancer.scheme == "internet-facing" for balancer in _balancers(call.region)
    )
    public = public or any(vpc == held["vpc"] for held in world.lingering)
    if public and vpc in ec2.vpcs:
        raise Refusal(
            "DependencyViolation",
            f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.",
        )


def _delete_vpc(world, call):
    vpc, ec2 = call.params.get("VpcId"), state("ec2", call.region)
    attached = any(gateway.vpc and gateway.vpc.id == vpc for gateway in ec2.internet_gateways.values())
    groups = any(group.name != "default" for group in ec2.groups.get(vpc, {}).values())
    nats = any(nat.vpc_id == vpc for nat in _nats(call.region))
    if attached or groups or nats or any(vpc == held["vpc"] for held in world.lingering):
        raise Refusal("DependencyViolation", f"The vpc '{vpc}' has dependencies and cannot be deleted.")


def _release_address(_world, call):
    wanted = call.params.get("AllocationId")
    for address in state("ec2", call.region).addresses:
        if wanted and address.allocation_id == wanted and address.association_id:
            raise Refusal("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")


def _allocate_address(world, call):
    if len(state("ec2", call.region).addresses) >= world.settings.quotas["L-0263D0A3"]:
        raise Refusal("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def _create_vpc(world, call):
    if len(state("ec2", call.region).vpcs) >= world.settings.quotas["L-F678F1CE"]:
        raise Refusal("VpcLimitExceeded", "The maximum number of VPCs has been reached.")


def _create_load_balancer(world, call):
    existing = [one for one in _balancers(call.region) if one.name == call.params.get("Name")]
    if not existing and len(_balancers(call.region)) >= world.settings.quotas["L-69A177A2"]:
        raise Refusal("TooManyLoadBalancers", "The maximum number of load balancers has been reached.")


def _remove_role(_world, call):
    name, role = call.params.get("InstanceProfileName"), call.params.get("RoleName")
    profiles = [one for one in state("iam", "aws").instance_profiles.values() if one.name == name]
    if profiles and all(one.name != role for one in profiles[0].roles):
        raise Refusal("NoSuchEntity", f"The role with name {role} is not in the instance profile {name}.", 404)


def _create_listener(_world, call):
    for balancer in _balancers(call.region):
        if balancer.arn == call.params.get("LoadBalancerArn"):
            # The same listener again is no error at AWS; nobody needs that here.
            if any(str(listener.port) == call.params.get("Port") for listener in balancer.listeners.values()):
                raise Refusal("DuplicateListener", "A listener with the specified port already exists.")


def _delete_target_group(_world, call):
    arn = call.params.get("TargetGroupArn")
    for balancer in _balancers(call.region):
        for listener in balancer.listeners.values():
            if any(action.data.get("TargetGroupArn") == arn for action in listener.default_actions):
                raise Refusal("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")


def _nat_exists(_world, call):
    identifier = call.params.get("NatGatewayId")
    if identifier not in state("ec2", call.region).nat_gateways:
        raise Refusal("NatGatewayNotFound", f"The Nat Gateway {identifier} was not found")


RULES = {
    ("ec2", "RunInstances"): _run_instances,
    ("ec2", "CreateVolume"): _create_volume,
    ("ec2", "AttachVolume"): _attach_volume,
    ("ec2", "DeleteVolume"): _delete_volume,
    ("ec2", "ModifyInstanceAttribute"): _modify_instance,
    ("ec2", "StartInstances"): _start_instances,
    ("ec2", "StopInstances"): _stop_instances,
    ("ec2", "DeleteSecurityGroup"): _delete_security_group,
    ("ec2", "DeleteSubnet"): _delete_subnet,
    ("ec2", "DetachInternetGateway"): _detach_internet_gateway,
    ("ec2", "DeleteVpc"): _delete_vpc,
    ("ec2", "ReleaseAddress"): _release_address,
    ("ec2", "AllocateAddress"): _allocate_address,
    ("ec2", "CreateVpc"): _create_vpc,
    ("ec2", "DeleteNatGateway"): _nat_exists,
    ("iam", "RemoveRoleFromInstanceProfile"): _remove_role,
    ("elasticloadbalancing", "CreateLoadBalancer"): _create_load_balancer,
    ("elasticloadbalancing", "CreateListener"): _create_listener,
    ("elasticloadbalancing", "DeleteTargetGroup"): _delete_target_group,
}
