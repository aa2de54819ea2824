"""States on the way: moto has a thing ready when the call returns, AWS lets one wait. And what moto gets wrong while
making it."""

import re

from . import rules
from .backend import state

# Operation -> prefix of the ids that it shows, for counting looks.
LOOKS = {
    "DescribeInstances": "i-",
    "DescribeInstanceStatus": "i-",
    "DescribeVolumes": "vol-",
    "DescribeNatGateways": "nat-",
    "DescribeLoadBalancers": "arn:",
}
_INSTANCE_ID = re.compile(rb"<instanceId>(i-[0-9a-f]+)</instanceId>")


def look(world, call):
    """A describe call is a look at everything of its kind."""
    prefix = LOOKS.get(call.operation)
    world.tick(lambda identifier: prefix is not None and identifier.startswith(prefix))


def before(world, call):
    """What has to be noted before moto forgets it."""
    if call.operation in ("StartInstances", "StopInstances", "TerminateInstances"):
        named = call.listed("InstanceId")
        call.were = {one.id: one.state for one in rules.instances(call.region, alive=False) if one.id in named}
    if call.operation == "DeleteLoadBalancer":
        balancer = state("elbv2", call.region).load_balancers.get(call.params.get("LoadBalancerArn"))
        if balancer:
            # Its interfaces stay a while, and hold subnets, groups and public addresses.
            held = {
                "subnets": [subnet.id for subnet in balancer.subnets],
                "groups": list(balancer.security_groups or []),
                "vpc": balancer.vpc_id if balancer.scheme == "internet-facing" else None,
                "until": world.now() + (world.settings.settle_seconds if world.settings.settle_polls else 0),
            }
            return lambda: world.lingering.append(held)
    return lambda: None


def after(world, call, answer):
    """Takes back what moto did too quickly, and mends what it did wrong. Returns the ids of new instances."""
    if handler := HANDLERS.get((call.service, call.operation)):
        return handler(world, call, answer) or []
    return []


def _set(instance, name):
    codes = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
    instance._state.name, instance._state.code = name, codes[name]


def _through(world, instance, now, then):
    _set(instance, now)
    world.on_its_way(instance.id, lambda: _set(instance, then))


def _run_instances(world, call, answer):
    made = [found.decode() for found in _INSTANCE_ID.findall(answer.body)]
    ec2 = state("ec2", call.region)
    disks = {disk.get("DeviceName"): disk for disk in call.groups("BlockDeviceMapping")}
    profile = {
        name: call.params[f"IamInstanceProfile.{key}"]
        for name, key in (("iam_instance_profile_name", "Name"), ("iam_instance_profile_arn", "Arn"))
        if f"IamInstanceProfile.{key}" in call.params
    }
    for instance in ec2.get_multi_instances_by_id(made):
        instance._placement.group_name = call.params.get("Placement.GroupName", "")
        # moto gives the profile to the first one only.
        if profile and instance.id not in ec2.iam_instance_profile_associations:
            ec2.associate_iam_instance_profile(instance_id=instance.id, **profile)
        # moto forgets operations and throughput per second.
        for name, block in instance.block_device_mapping.items():
            volume, wanted = ec2.volumes[block.volume_id], disks.get(name, {})
            if volume.volume_type == "gp3":
                volume.iops = int(wanted.get("Ebs.Iops") or 3000)
                volume.throughput = int(wanted.get("Ebs.Throughput") or 125)
        instance.disable_api_termination = call.params.get("DisableApiTermination") == "true"
        if world.settings.lag_polls:
            world.lagging[instance.id] = world.settings.lag_polls
        _through(world, instance, "pending", "running")
    group = call.params.get("Placement.GroupName")
    if group:
        answer.body = re.sub(rb"<groupName\s*/>|<groupName></groupName>", f"<groupName>{group}</groupName>".encode(), answer.body)
    return made


def _named(call):
    return state("ec2", call.region).get_multi_instances_by_id(call.listed("InstanceId"))


def _start(world, call, _answer):
    for instance in _named(call):
        if call.were[instance.id] == "stopped":
            _through(world, instance, "pending", "running")
        else:
            _set(instance, call.were[instance.id])


def _stop(world, call, _answer):
    for instance in _named(call):
        if call.were[instance.id] == "running":
            _through(world, instance, "stopping", "stopped")
        else:
            _set(instance, call.were[instance.id])


def _terminate(world, call, _answer):
    ec2 = state("ec2", call.region)
    for instance in _named(call):
        if call.were[instance.id] in ("shutting-down", "terminated"):
            _set(instance, call.were[instance.id])
            continue
        # An address that was associated with it is free again; moto keeps the tie.
        for address in ec2.addresses:
            if address.instance is instance:
                address.instance = address.eni = address.association_id = None
        _set(instance, "shutting-down")
        world.on_its_way(instance.id, lambda gone=instance: _arrive_terminated(ec2, gone))


def _arrive_terminated(ec2, instance):
    _set(instance, "terminated")
    # The interface that it was launched with goes with it; moto keeps it.
    for nic in [nic for nic in ec2.enis.values() if nic.instance is instance]:
        ec2.enis.pop(nic.id)


def _copy_image(_world, call, answer):
    """moto's copy has no disk to start from."""
    identifier = re.search(rb"<imageId>(ami-[0-9a-f]+)", answer.body).group(1).decode()
    amis = state("ec2", call.region).amis
    copy, source = amis[identifier], amis[call.params["SourceImageId"]]
    for name in ("root_device_type", "root_device_name", "architecture"):
        setattr(copy, name, getattr(source, name))


def _create_volume(world, call, answer):
    identifier = re.search(rb"<volumeId>(vol-[0-9a-f]+)", answer.body).group(1).decode()
    volume = state("ec2", call.region).volumes[identifier]
    if volume.volume_type == "gp3":
        volume.throughput = int(call.params.get("Throughput") or 125)
    # A class of its own for one volume: `status` is computed there.
    passing = type("Creating", (type(volume),), {"status": property(lambda _self: "creating")})
    settled, volume.__class__ = type(volume), passing

    def arrive():
        volume.__class__ = settled

    world.on_its_way(identifier, arrive)


def _create_nat(world, call, answer):
    identifier = re.search(rb"<natGatewayId>(nat-[0-9a-f]+)", answer.body).group(1).decode()
    nat = state("ec2", call.region).nat_gateways[identifier]
    nat.state = "pending"
    world.on_its_way(identifier, lambda: setattr(nat, "state", "available"))


def _delete_nat(world, call, _answer):
    ec2 = state("ec2", call.region)
    nat = ec2.nat_gateways[call.params["NatGatewayId"]]
    nat.state = "deleting"

    def arrive():
        nat.state = "deleted"
        # Its address is free again, and its interface gone; moto keeps both.
        for address in ec2.addresses:
            if address.eni is nat._eni:
                address.eni = address.association_id = None
        ec2.enis.pop(nat._eni.id, None)

    world.on_its_way(nat.id, arrive)


def _create_balancer(world, call, answer):
    arn = re.search(rb"<LoadBalancerArn>([^<]+)", answer.body).group(1).decode()
    balancer = state("elbv2", call.region).load_balancers[arn]
    if balancer.state != "provisioning":
        return
    balancer.activate = lambda: None
    world.on_its_way(arn, lambda: setattr(balancer, "state", "active"))


def _profile(world, call, _answer):
    world.profiles[call.params.get("InstanceProfileName")] = world.now() + world.settings.iam_seconds


def _offerings(world, call, answer):
    """Leaves out what a zone does not have."""

    def kept(item):
        kind, zone = (re.search(rf"<{name}>([^<]+)".encode(), item.group()) for name in ("instanceType", "location"))
        gone = kind and zone and rules.matches(world.settings.not_offered, zone.group(1).decode(), kind.group(1).decode())
        return b"" if gone else item.group()

    if world.settings.not_offered and call.params.get("LocationType") == "availability-zone":
        answer.body = re.sub(rb"<item>.*?</item>", kept, answer.body, flags=re.DOTALL)


HANDLERS = {
    ("ec2", "DescribeInstanceTypeOfferings"): _offerings,
    ("ec2", "RunInstances"): _run_instances,
    ("ec2", "StartInstances"): _start,
    ("ec2", "StopInstances"): _stop,
    ("ec2", "TerminateInstances"): _terminate,
    ("ec2", "CopyImage"): _copy_image,
    ("ec2", "CreateVolume"): _create_volume,
    ("ec2", "CreateNatGateway"): _create_nat,
    ("ec2", "DeleteNatGateway"): _delete_nat,
    ("elasticloadbalancing", "CreateLoadBalancer"): _create_balancer,
    ("iam", "CreateInstanceProfile"): _profile,
    ("iam", "AddRoleToInstanceProfile"): _profile,
}
