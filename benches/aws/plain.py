"""The same infrastructure as refarch makes, by a plain boto3 script, as one would write it for this one purpose: one thing
after the other, a launch for each group and zone, the SDK's own waiters. No plan, no repetition, no tags but the name.

    plain.py PLAN.json      PLAN.json: `refarch plan --infrastructure --output json ENVIRONMENT` on an empty account

Prints how long it took, in seconds.
"""

import json
import sys
import time

import boto3


def main():
    steps = json.load(open(sys.argv[1]))["steps"]
    wanted = [step["action"]["resource"] for step in steps if step["action"].get("action") == "create"]
    start = time.monotonic()
    make(wanted)
    print(f"{time.monotonic() - start:.2f}")


def make(wanted):
    ec2, ids, region = boto3.client("ec2"), {}, boto3.session.Session().region_name
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    images = ec2.describe_images(
        Owners=["099720109477", "136693071363", "amazon"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}]
    )["Images"]
    image = max(images, key=lambda one: one["CreationDate"])["ImageId"]

    def named(kind, name):
        return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]

    def of(kind):
        return [(one["id"], one["attributes"]) for one in wanted if one["kind"] == kind]

    for name, own in of("network"):
        ids[name] = ec2.create_vpc(CidrBlock=own["cidr"], TagSpecifications=named("vpc", name))["Vpc"]["VpcId"]
        ec2.get_waiter("vpc_available").wait(VpcIds=[ids[name]])
        ec2.modify_vpc_attribute(VpcId=ids[name], EnableDnsHostnames={"Value": True})
    for name, _ in of("internet gateway"):
        made = ec2.create_internet_gateway(TagSpecifications=named("internet-gateway", name))["InternetGateway"]
        ids[name] = made["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=ids[name], VpcId=ids["network"])
    for name, own in of("subnet"):
        made = ec2.create_subnet(
            VpcId=ids["network"],
            CidrBlock=own["cidr"],
            AvailabilityZone=zones[own["zone"] - 1],
            TagSpecifications=named("subnet", name),
        )
        ids[name] = made["Subnet"]["SubnetId"]
    for name, _ in of("address"):
        ids[name] = ec2.allocate_address(Domain="vpc", TagSpecifications=named("elastic-ip", name))["AllocationId"]
    for name, own in of("NAT gateway"):
        made = ec2.create_nat_gateway(
            SubnetId=ids[own["subnet"]], AllocationId=ids[own["address"]], TagSpecifications=named("natgateway", name)
        )
        ids[name] = made["NatGateway"]["NatGatewayId"]
        ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[ids[name]])
    for name, own in of("route table"):
        made = ec2.create_route_table(VpcId=ids["network"], TagSpecifications=named("route-table", name))["RouteTable"]
        ids[name] = made["RouteTableId"]
        if own["default"]:
            key = "GatewayId" if own["default"] == "gateway" else "NatGatewayId"
            way = {key: ids[own["default"]]}
            ec2.create_route(RouteTableId=ids[name], DestinationCidrBlock="0.0.0.0/0", **way)
        for subnet in own["subnets"]:
            ec2.associate_route_table(RouteTableId=ids[name], SubnetId=ids[subnet])
    for name, _ in of("security group"):
        made = ec2.create_security_group(
            GroupName=name.replace("/", "-"), Description=name, VpcId=ids["network"], TagSpecifications=named("security-group", name)
        )
        ids[name] = made["GroupId"]
    for name, own in of("security rules"):
        group = ids[name.replace("rules/", "firewall/")]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission(rule, ids) for rule in own["rules"]])
    for name, _ in of("key pair"):
        ids[name] = ec2.create_key_pair(KeyName="plain")["KeyPairId"]

    launches = {}
    for one in wanted:
        if one["kind"] in ("instance", "bastion"):
            own = one["attributes"]
            launches.setdefault((own["group"], own["zone"], one["kind"]), []).append(one)
    made = {}
    for (group, zone, _), machines in launches.items():
        own = machines[0]["attributes"]
        answer = ec2.run_instances(
            ImageId=image,
            InstanceType=own["machine_type"],
            MinCount=len(machines),
            MaxCount=len(machines),
            KeyName="plain",
            MetadataOptions={"HttpTokens": "required"},
            NetworkInterfaces=[
                {
                    "DeviceIndex": 0,
                    "SubnetId": ids[f"subnet/{own['subnet']}-{zone}"],
                    "Groups": [ids[f"firewall/{name}"] for name in own["firewalls"]],
                    "AssociatePublicIpAddress": own["public_ip"],
                }
            ],
            BlockDeviceMappings=[
                {
                    "DeviceName": "/dev/xvda",
                    "Ebs": {"VolumeSize": own["disk_gb"], "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
                }
            ],
            TagSpecifications=named("instance", group),
        )
        for machine, instance in zip(machines, answer["Instances"]):
            made[machine["id"]] = instance["InstanceId"]
            ec2.create_tags(Resources=[instance["InstanceId"]], Tags=[{"Key": "Name", "Value": machine["id"]}])
    ec2.get_waiter("instance_running").wait(InstanceIds=list(made.values()))
    for one in wanted:
        if one["id"] in made and one["attributes"].get("address"):
            ec2.associate_address(InstanceId=made[one["id"]], AllocationId=ids[one["attributes"]["address"]])


def permission(rule, ids):
    what, source = rule.split(" from ")
    protocol, ports = what.split("/")
    first, _, last = ports.partition("-")
    own = {"IpProtocol": protocol, "FromPort": int(first), "ToPort": int(last or first)}
    if "/" in source:
        return {**own, "IpRanges": [{"CidrIp": source}]}
    return {**own, "UserIdGroupPairs": [{"GroupId": ids[f"firewall/{source}"]}]}


if __name__ == "__main__":
    main()
