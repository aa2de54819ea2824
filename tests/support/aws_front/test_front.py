"""Does boto3 see what AWS would answer? `python -m unittest aws_front.test_front` from `tests/support`."""

import json
import threading
import time
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from .server import start

TYPE = "c5.large"


class Front(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = start()
        cls.url = f"http://127.0.0.1:{cls.server.server_port}"
        cls.session = boto3.Session(
            aws_access_key_id="AKIATEST", aws_secret_access_key="secret", region_name="us-east-1"
        )
        cls.ec2, cls.elb, cls.iam = (cls.client(name) for name in ("ec2", "elbv2", "iam"))
        cls.image = cls.ec2.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    @classmethod
    def client(cls, name, attempts=0, **more):
        config = Config(retries={"total_max_attempts": attempts + 1, "mode": "standard"}, **more)
        return cls.session.client(name, endpoint_url=cls.url, config=config)

    def setUp(self):
        self.front("reset")
        self.settings(settle_polls=0)

    def front(self, action, document=None, method="POST"):
        data = json.dumps({} if document is None else document).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.url}/_front/{action}", data=data, method=method)
        return json.load(urllib.request.urlopen(request))

    def settings(self, **settings):
        self.front("settings", settings)

    def refused(self, code, status=400):
        return Refused(self, code, status)

    def network(self):
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-1a")
        return vpc, subnet["Subnet"]["SubnetId"]

    def run_instances(self, count=1, **more):
        asked = {"ImageId": self.image, "InstanceType": TYPE, "MinCount": count, "MaxCount": count, "KeyName": self.key()}
        return self.ec2.run_instances(**{**asked, **more})["Instances"]

    def key(self):
        if not self.ec2.describe_key_pairs()["KeyPairs"]:
            self.ec2.create_key_pair(KeyName="key")
        return "key"

    def state(self, identifier):
        found = self.ec2.describe_instances(InstanceIds=[identifier])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]


class Refused:
    """Expects an error of this code and HTTP status."""

    def __init__(self, test, code, status):
        self.test, self.code, self.status = test, code, status

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        self.test.assertIsInstance(error, ClientError, f"{self.code} was expected")
        self.test.assertEqual(error.response["Error"]["Code"], self.code, error)
        self.test.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], self.status)
        return True


class Tokens(Front):
    def test_the_same_request_with_the_same_token_makes_nothing_twice(self):
        first = self.run_instances(2, ClientToken="one")
        again = self.run_instances(2, ClientToken="one")
        self.assertEqual([one["InstanceId"] for one in first], [one["InstanceId"] for one in again])
        self.assertEqual(len(self.front("inventory")["instances"]), 2)
        other = self.run_instances(2, ClientToken="two")
        self.assertNotEqual(first[0]["InstanceId"], other[0]["InstanceId"])

    def test_another_request_with_the_same_token_is_refused(self):
        self.run_instances(1, ClientToken="one")
        with self.refused("IdempotentParameterMismatch"):
            self.run_instances(2, ClientToken="one")

    def test_a_token_whose_instance_was_terminated_makes_no_new_one(self):
        made = self.run_instances(1, ClientToken="one")
        self.ec2.terminate_instances(InstanceIds=[made[0]["InstanceId"]])
        with self.refused("IdempotentInstanceTerminated"):
            self.run_instances(1, ClientToken="one")

    def test_a_request_that_failed_may_be_made_again(self):
        self.settings(capacity=[{"type": TYPE}])
        with self.refused("InsufficientInstanceCapacity", 500):
            self.run_instances(1, ClientToken="one")
        self.settings(capacity=[])
        self.run_instances(1, ClientToken="one")

    def test_volumes_and_nat_gateways_have_tokens_too(self):
        _, subnet = self.network()
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        asked = {"SubnetId": subnet, "AllocationId": address, "ClientToken": "nat"}
        nats = {self.ec2.create_nat_gateway(**asked)["NatGateway"]["NatGatewayId"] for _ in range(2)}
        asked = {"AvailabilityZone": "us-east-1a", "Size": 10, "VolumeType": "gp3", "ClientToken": "volume"}
        volumes = {self.ec2.create_volume(**asked)["VolumeId"] for _ in range(2)}
        self.assertEqual((len(nats), len(volumes)), (1, 1))


class Refusals(Front):
    def test_what_an_instance_uses_is_not_deleted(self):
        vpc, subnet = self.network()
        group = self.ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
        made = self.run_instances(1, SubnetId=subnet, SecurityGroupIds=[group])[0]["InstanceId"]
        with self.refused("DependencyViolation"):
            self.ec2.delete_security_group(GroupId=group)
        with self.refused("DependencyViolation"):
            self.ec2.delete_subnet(SubnetId=subnet)
        with self.refused("DependencyViolation"):
            self.ec2.delete_vpc(VpcId=vpc)
        self.settings(settle_polls=2, settle_seconds=60)
        self.ec2.terminate_instances(InstanceIds=[made])
        with self.refused("DependencyViolation"):  # shutting-down still has its interface
            self.ec2.delete_security_group(GroupId=group)
        self.front("settle")
        self.ec2.delete_security_group(GroupId=group)
        self.ec2.delete_subnet(SubnetId=subnet)
        self.ec2.delete_vpc(VpcId=vpc)
        self.assertNotIn("vpcs", self.front("inventory"))

    def test_a_group_that_another_groups_rule_names_is_not_deleted(self):
        vpc, _ = self.network()
        one, two = (
            self.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"] for name in "ab"
        )
        rule = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": one}]}]
        self.ec2.authorize_security_group_ingress(GroupId=two, IpPermissions=rule)
        with self.refused("DependencyViolation"):
            self.ec2.delete_security_group(GroupId=one)
        self.ec2.revoke_security_group_ingress(GroupId=two, IpPermissions=rule)
        self.ec2.delete_security_group(GroupId=one)

    def test_an_address_is_held_by_its_nat_gateway(self):
        vpc, subnet = self.network()
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = self.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
        with self.refused("InvalidIPAddress.InUse"):
            self.ec2.release_address(AllocationId=address)
        with self.refused("DependencyViolation"):
            self.ec2.delete_subnet(SubnetId=subnet)
        with self.refused("DependencyViolation"):
            self.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        self.ec2.delete_nat_gateway(NatGatewayId=nat)
        self.ec2.release_address(AllocationId=address)
        self.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        self.ec2.delete_internet_gateway(InternetGatewayId=gateway)
        self.ec2.delete_subnet(SubnetId=subnet)
        self.ec2.delete_vpc(VpcId=vpc)
        left = self.front("inventory")
        self.assertEqual(left, {}, left)

    def test_an_instance_is_resized_only_while_it_is_stopped(self):
        one = self.run_instances()[0]["InstanceId"]
        with self.refused("IncorrectInstanceState"):
            self.ec2.modify_instance_attribute(InstanceId=one, InstanceType={"Value": "c5.xlarge"})
        self.ec2.stop_instances(InstanceIds=[one])
        self.ec2.modify_instance_attribute(InstanceId=one, InstanceType={"Value": "c5.xlarge"})
        self.ec2.start_instances(InstanceIds=[one])
        found = self.ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]
        self.assertEqual((found["InstanceType"], found["State"]["Name"]), ("c5.xlarge", "running"))

    def test_a_protected_instance_is_not_terminated(self):
        one = self.run_instances(DisableApiTermination=True)[0]["InstanceId"]
        with self.refused("OperationNotPermitted"):
            self.ec2.terminate_instances(InstanceIds=[one])
        self.ec2.modify_instance_attribute(InstanceId=one, DisableApiTermination={"Value": False})
        self.ec2.terminate_instances(InstanceIds=[one])

    def test_a_volume_goes_to_an_instance_of_its_zone_once(self):
        one = self.run_instances(Placement={"AvailabilityZone": "us-east-1a"})[0]["InstanceId"]
        far, near = (
            self.ec2.create_volume(AvailabilityZone=zone, Size=10, VolumeType="gp3")["VolumeId"]
            for zone in ("us-east-1b", "us-east-1a")
        )
        with self.refused("InvalidVolume.ZoneMismatch"):
            self.ec2.attach_volume(VolumeId=far, InstanceId=one, Device="/dev/sdf")
        self.ec2.attach_volume(VolumeId=near, InstanceId=one, Device="/dev/sdf")
        with self.refused("VolumeInUse"):
            self.ec2.attach_volume(VolumeId=near, InstanceId=one, Device="/dev/sdg")
        with self.refused("VolumeInUse"):
            self.ec2.delete_volume(VolumeId=near)

    def test_a_target_group_in_use_is_not_deleted(self):
        vpc, subnet = self.network()
        arn = self.elb.create_load_balancer(Name="lb", Subnets=[subnet], Type="network", Scheme="internal")
        arn = arn["LoadBalancers"][0]["LoadBalancerArn"]
        group = self.elb.create_target_group(Name="tg", Protocol="TCP", Port=80, VpcId=vpc)["TargetGroups"][0]
        group = group["TargetGroupArn"]
        action = [{"Type": "forward", "TargetGroupArn": group}]
        self.elb.create_listener(LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=action)
        with self.refused("DuplicateListener"):
            self.elb.create_listener(LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=action)
        with self.refused("ResourceInUse"):
            self.elb.delete_target_group(TargetGroupArn=group)
        self.settings(settle_polls=2, settle_seconds=60)
        self.elb.delete_load_balancer(LoadBalancerArn=arn)
        self.elb.delete_target_group(TargetGroupArn=group)
        with self.refused("DependencyViolation"):  # its interfaces stay a while
            self.ec2.delete_subnet(SubnetId=subnet)
        self.front("settle")
        self.ec2.delete_subnet(SubnetId=subnet)

    def test_a_role_is_taken_out_of_its_profile_once(self):
        self.iam.create_instance_profile(InstanceProfileName="nodes")
        self.iam.create_role(RoleName="nodes", AssumeRolePolicyDocument="{}")
        self.iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
        self.iam.remove_role_from_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
        with self.refused("NoSuchEntity", 404):
            self.iam.remove_role_from_instance_profile(InstanceProfileName="nodes", RoleName="nodes")

    def test_an_image_of_another_architecture_is_refused(self):
        with self.refused("InvalidParameterValue"):
            self.run_instances(InstanceType="m6g.large")

    def test_a_type_that_the_zone_does_not_have(self):
        self.settings(not_offered=[{"zone": "us-east-1b"}])
        with self.refused("Unsupported"):
            self.run_instances(Placement={"AvailabilityZone": "us-east-1b"})
        self.run_instances(Placement={"AvailabilityZone": "us-east-1a"})
        offered = self.ec2.describe_instance_type_offerings(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [TYPE]}]
        )["InstanceTypeOfferings"]
        zones = {one["Location"] for one in offered}
        self.assertIn("us-east-1a", zones)
        self.assertNotIn("us-east-1b", zones)

    def test_a_dry_run_changes_nothing(self):
        with self.refused("DryRunOperation", 412):
            self.ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True)
        with self.refused("DryRunOperation", 412):
            self.run_instances(DryRun=True)
        self.assertEqual(set(self.front("inventory")), {"key_pairs"})

    def test_credentials_that_are_wrong_or_old(self):
        self.settings(credentials="invalid")
        with self.refused("AuthFailure", 401):
            self.ec2.describe_vpcs()
        with self.refused("InvalidClientTokenId", 403):
            self.client("sts").get_caller_identity()
        self.settings(credentials="expired")
        with self.refused("RequestExpired"):
            self.ec2.describe_vpcs()
        with self.refused("ExpiredToken", 403):
            self.client("sts").get_caller_identity()


class Kept(Front):
    def test_a_launch_keeps_everything_that_was_asked_for(self):
        self.iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        self.iam.create_instance_profile(InstanceProfileName="p")
        self.iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
        disk = {"VolumeSize": 100, "VolumeType": "gp3", "Iops": 4000, "Throughput": 300, "Encrypted": True}
        self.run_instances(
            3,
            BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {**disk, "DeleteOnTermination": True}}],
            IamInstanceProfile={"Name": "p"},
            MetadataOptions={"HttpTokens": "required"},
            TagSpecifications=[
                {"ResourceType": kind, "Tags": [{"Key": "env", "Value": "demo"}]} for kind in ("instance", "volume")
            ],
        )
        found = self.front("inventory")
        self.assertEqual([one["AmiLaunchIndex"] for one in found["instances"]], [0, 1, 2])
        for one in found["instances"]:
            self.assertIn("IamInstanceProfile", one)
            self.assertEqual(one["MetadataOptions"]["HttpTokens"], "required")
            self.assertEqual(one["Tags"], [{"Key": "env", "Value": "demo"}])
        for volume in found["volumes"]:
            self.assertEqual({key: volume.get("Size" if key == "VolumeSize" else key) for key in disk}, disk)
            self.assertEqual(volume["Tags"], [{"Key": "env", "Value": "demo"}])

    def test_as_many_start_as_can(self):
        self.assertEqual(len(self.run_instances(1, MinCount=1, MaxCount=4)), 4)

    def test_a_placement_group_spreads_is_found_by_tag_and_goes_when_empty(self):
        tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "env", "Value": "demo"}]}]
        with self.refused("InvalidPlacementGroup.Unknown"):
            self.run_instances(Placement={"GroupName": "pg"})
        self.ec2.create_placement_group(GroupName="pg", Strategy="spread", TagSpecifications=tags)
        with self.refused("InvalidPlacementGroup.Duplicate"):
            self.ec2.create_placement_group(GroupName="pg", Strategy="spread")
        by_tag = [{"Name": "tag:env", "Values": ["demo"]}]
        found = self.ec2.describe_placement_groups(Filters=by_tag)["PlacementGroups"]
        self.assertEqual([(one["GroupName"], one["Strategy"]) for one in found], [("pg", "spread")])
        one = self.run_instances(Placement={"GroupName": "pg"})[0]
        self.assertEqual(one["Placement"]["GroupName"], "pg")
        with self.refused("InvalidPlacementGroup.InUse"):
            self.ec2.delete_placement_group(GroupName="pg")
        self.ec2.terminate_instances(InstanceIds=[one["InstanceId"]])
        self.ec2.delete_placement_group(GroupName="pg")

    def test_everything_is_found_by_its_tags_and_by_nobody_elses(self):
        def tags(kind):
            return [{"ResourceType": kind, "Tags": [{"Key": "env", "Value": "demo"}]}]

        vpc, subnet = self.network()
        self.ec2.create_tags(Resources=[vpc, subnet], Tags=[{"Key": "env", "Value": "demo"}])
        address = self.ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip"))["AllocationId"]
        self.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address, TagSpecifications=tags("natgateway"))
        self.ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway"))
        self.ec2.create_route_table(VpcId=vpc, TagSpecifications=tags("route-table"))
        self.ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc, TagSpecifications=tags("security-group"))
        self.ec2.create_key_pair(KeyName="k", TagSpecifications=tags("key-pair"))
        self.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=tags("volume"))
        self.run_instances(KeyName="k", TagSpecifications=tags("instance"))
        for method, key, filters in [
            ("describe_vpcs", "Vpcs", "Filters"),
            ("describe_subnets", "Subnets", "Filters"),
            ("describe_addresses", "Addresses", "Filters"),
            ("describe_nat_gateways", "NatGateways", "Filter"),
            ("describe_internet_gateways", "InternetGateways", "Filters"),
            ("describe_route_tables", "RouteTables", "Filters"),
            ("describe_security_groups", "SecurityGroups", "Filters"),
            ("describe_key_pairs", "KeyPairs", "Filters"),
            ("describe_volumes", "Volumes", "Filters"),
            ("describe_instances", "Reservations", "Filters"),
        ]:
            for value, count in [("demo", 1), ("other", 0)]:
                wanted = {filters: [{"Name": "tag:env", "Values": [value]}]}
                self.assertEqual(len(getattr(self.ec2, method)(**wanted)[key]), count, f"{method} {value}")

    def test_gp3_has_its_limits(self):
        for wrong, code in [
            ({"Iops": 2000}, "InvalidParameterValue"),
            ({"Iops": 16000}, "InvalidParameterCombination"),
            ({"Throughput": 800}, "InvalidParameterCombination"),
        ]:
            with self.refused(code):
                self.ec2.create_volume(AvailabilityZone="us-east-1a", Size=10, VolumeType="gp3", **wrong)


class Quotas(Front):
    def test_vcpus_addresses_and_networks_run_out(self):
        self.settings(quotas={"L-1216C47A": 4, "L-0263D0A3": 1, "L-F678F1CE": 2})
        self.run_instances(2)
        with self.refused("VcpuLimitExceeded"):
            self.run_instances(1)
        self.ec2.allocate_address(Domain="vpc")
        with self.refused("AddressLimitExceeded"):
            self.ec2.allocate_address(Domain="vpc")
        self.ec2.create_vpc(CidrBlock="10.0.0.0/16")
        with self.refused("VpcLimitExceeded"):
            self.ec2.create_vpc(CidrBlock="10.1.0.0/16")

    def test_service_quotas_says_the_same(self):
        self.settings(quotas={"L-1216C47A": 4})
        client = self.client("service-quotas")
        quota = client.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]
        self.assertEqual(quota["Value"], 4)
        listed = client.list_service_quotas(ServiceCode="ec2")["Quotas"]
        self.assertIn(("L-1216C47A", 4), [(one["QuotaCode"], one["Value"]) for one in listed])
        with self.refused("NoSuchResourceException"):
            client.get_service_quota(ServiceCode="ec2", QuotaCode="L-NONE")


class States(Front):
    def test_an_instance_arrives_and_leaves_in_its_time(self):
        self.settings(settle_polls=2, settle_seconds=60)
        one = self.run_instances()[0]["InstanceId"]
        self.assertEqual([self.state(one) for _ in range(3)], ["pending", "pending", "running"])
        self.ec2.stop_instances(InstanceIds=[one])
        with self.refused("IncorrectInstanceState"):
            self.ec2.start_instances(InstanceIds=[one])
        self.assertEqual([self.state(one) for _ in range(3)], ["stopping", "stopping", "stopped"])
        self.ec2.terminate_instances(InstanceIds=[one])
        self.assertEqual([self.state(one) for _ in range(3)], ["shutting-down", "shutting-down", "terminated"])
        self.ec2.terminate_instances(InstanceIds=[one])
        self.assertEqual(self.state(one), "terminated")

    def test_filters_see_the_state_on_the_way(self):
        self.settings(settle_polls=5, settle_seconds=60)
        self.run_instances(2)
        pending = [{"Name": "instance-state-name", "Values": ["pending"]}]
        self.assertEqual(len(self.ec2.describe_instances(Filters=pending)["Reservations"][0]["Instances"]), 2)

    def test_a_nat_gateway_a_volume_and_a_balancer_take_time(self):
        self.settings(settle_polls=1, settle_seconds=60)
        vpc, subnet = self.network()
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = self.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]

        def nat_state():
            return self.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"]

        self.assertEqual([nat_state() for _ in range(2)], ["pending", "available"])
        self.ec2.delete_nat_gateway(NatGatewayId=nat)
        self.assertEqual([nat_state() for _ in range(2)], ["deleting", "deleted"])
        self.ec2.release_address(AllocationId=address)

        volume = self.ec2.create_volume(AvailabilityZone="us-east-1a", Size=10)["VolumeId"]
        looks = [self.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] for _ in range(2)]
        self.assertEqual(looks, ["creating", "available"])

        self.elb.create_load_balancer(Name="lb", Subnets=[subnet], Type="network", Scheme="internal")
        looks = [self.elb.describe_load_balancers()["LoadBalancers"][0]["State"]["Code"] for _ in range(2)]
        self.assertEqual(looks, ["provisioning", "active"])

    def test_time_is_enough_without_looks(self):
        self.settings(settle_polls=1000, settle_seconds=600)
        waiting = self.run_instances()[0]["InstanceId"]
        self.settings(settle_seconds=0)
        at_once = self.run_instances()[0]["InstanceId"]
        self.assertEqual((self.state(waiting), self.state(at_once)), ("pending", "running"))

    def test_a_new_profile_is_not_known_at_once(self):
        self.settings(iam_seconds=600)
        self.iam.create_instance_profile(InstanceProfileName="p")
        with self.refused("InvalidParameterValue"):
            self.run_instances(IamInstanceProfile={"Name": "p"})
        self.front("settle")
        self.run_instances(IamInstanceProfile={"Name": "p"})

    def test_a_new_instance_is_not_found_at_once(self):
        self.settings(lag_polls=1)
        one = self.run_instances()[0]["InstanceId"]
        with self.refused("InvalidInstanceID.NotFound"):
            self.state(one)
        self.assertEqual(self.state(one), "running")


class Faults(Front):
    def order(self, *faults):
        self.front("faults", list(faults))

    def test_throttling_is_repeated_by_the_client(self):
        self.order({"operation": "DescribeVpcs", "times": 2, "code": "RequestLimitExceeded", "status": 503})
        answer = self.client("ec2", attempts=3).describe_vpcs()
        self.assertEqual(answer["ResponseMetadata"]["RetryAttempts"], 2)
        outcomes = [one["outcome"] for one in self.front("calls", method="GET")]
        self.assertEqual(outcomes, ["RequestLimitExceeded", "RequestLimitExceeded", "done"])

    def test_an_answer_is_lost_after_the_act(self):
        self.key()
        self.order({"operation": "RunInstances", "times": 1, "lost": True})
        with self.assertRaises(ConnectionClosedError):
            self.run_instances(1, ClientToken="one")
        self.assertEqual(len(self.front("inventory")["instances"]), 1)
        again = self.run_instances(1, ClientToken="one")
        self.assertEqual([one["InstanceId"] for one in self.front("inventory")["instances"]], [again[0]["InstanceId"]])

    def test_a_call_is_dropped_before_the_act(self):
        self.order({"operation": "CreateVpc", "times": 1, "drop": True})
        with self.assertRaises(ConnectionClosedError):
            self.ec2.create_vpc(CidrBlock="10.0.0.0/16")
        self.assertEqual(self.front("inventory"), {})

    def test_a_slow_answer_and_none_at_all(self):
        self.order({"operation": "DescribeVpcs", "times": 1, "delay": 0.3}, {"operation": "DescribeSubnets", "hang": True})
        start = time.monotonic()
        self.ec2.describe_vpcs()
        self.assertGreater(time.monotonic() - start, 0.3)
        with self.assertRaises(ReadTimeoutError):
            self.client("ec2", read_timeout=0.3).describe_subnets()

    def test_a_page_instead_of_an_answer(self):
        self.order({"operation": "DescribeVpcs", "times": 1, "status": 502, "html": "<html>bad gateway</html>"})
        self.assertEqual(self.client("ec2", attempts=1).describe_vpcs()["ResponseMetadata"]["RetryAttempts"], 1)

    def test_a_denial_that_is_for_one_operation_and_parameter(self):
        self.order(
            {
                "operation": "CreateSecurityGroup",
                "params": {"GroupName": "*-postgres"},
                "code": "UnauthorizedOperation",
                "status": 403,
                "message": "You are not authorized to perform this operation.",
            }
        )
        vpc, _ = self.network()
        self.ec2.create_security_group(GroupName="demo-app", Description="d", VpcId=vpc)
        with self.refused("UnauthorizedOperation", 403):
            self.ec2.create_security_group(GroupName="demo-postgres", Description="d", VpcId=vpc)

    def test_a_call_is_held_until_it_is_released(self):
        self.key()
        self.order({"mutating": True, "times": 1, "hold": "after"})
        errors = []

        def call():
            try:
                self.run_instances()
            except ConnectionClosedError as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        self.assertEqual(self.front("wait_held", {"seconds": 10}), {"held": True})
        self.assertEqual(len(self.front("inventory")["instances"]), 1)
        self.assertTrue(thread.is_alive())
        self.front("release")
        thread.join(10)
        self.assertEqual(len(errors), 1)

    def test_a_share_of_calls_by_chance_is_the_same_every_time(self):
        def outcomes():
            self.front("reset")
            self.order({"operation": "DescribeVpcs", "chance": 0.5, "seed": 7, "code": "InternalError", "status": 500})
            for _ in range(10):
                try:
                    self.ec2.describe_vpcs()
                except ClientError:
                    pass
            return [one["outcome"] for one in self.front("calls", method="GET")]

        first = outcomes()
        self.assertEqual(set(first), {"InternalError", "done"})
        self.assertEqual(first, outcomes())

    def test_every_call_is_counted_and_tokens_are_seen(self):
        self.run_instances(1, ClientToken="one")
        counts = self.front("counts", method="GET")
        self.assertEqual(counts, {"ec2.CreateKeyPair": 1, "ec2.DescribeKeyPairs": 1, "ec2.RunInstances": 1})
        self.assertEqual(self.front("calls", method="GET")[-1]["token"], "one")


class Prices(Front):
    def test_products_are_filtered_and_paged(self):
        client = self.client("pricing")
        wanted = {"regionCode": "eu-central-1", "operatingSystem": "Linux", "tenancy": "Shared"}
        filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
        pages = list(client.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters))
        found = [json.loads(one)["product"]["attributes"] for page in pages for one in page["PriceList"]]
        self.assertGreater(len(pages), 1)
        self.assertTrue(all(one[key] == value for one in found for key, value in wanted.items()))
        self.assertIn("c5.large", [one["instanceType"] for one in found])


class Storage(Front):
    def test_a_bucket_is_named_by_its_operations(self):
        s3 = self.client("s3")
        s3.create_bucket(Bucket="demo")
        s3.put_bucket_versioning(Bucket="demo", VersioningConfiguration={"Status": "Enabled"})
        s3.put_public_access_block(Bucket="demo", PublicAccessBlockConfiguration={"BlockPublicAcls": True})
        s3.put_object(Bucket="demo", Key="a/b", Body=b"x")
        self.assertEqual([one["Name"] for one in self.front("inventory")["buckets"]], ["demo"])
        with self.refused("BucketNotEmpty", 409):
            s3.delete_bucket(Bucket="demo")
        names = [one["operation"] for one in self.front("calls", method="GET")]
        self.assertEqual(
            names, ["CreateBucket", "PutBucketVersioning", "PutPublicAccessBlock", "PutObject", "DeleteBucket"]
        )


class Consoles(Front):
    def test_a_console_shows_the_host_key_once_the_machine_runs(self):
        self.settings(settle_polls=1)
        identifier = self.run_instances()[0]["InstanceId"]
        self.assertEqual(self.ec2.get_console_output(InstanceId=identifier)["Output"], "")
        self.front("settle")
        shown = self.ec2.get_console_output(InstanceId=identifier)["Output"]
        self.assertRegex(shown, r"-----BEGIN SSH HOST KEY KEYS-----\n(?:.*\n)*ssh-ed25519 AAAA\S+ ")
        with self.refused("InvalidInstanceID.NotFound"):
            self.ec2.get_console_output(InstanceId="i-0123456789abcdef0")


if __name__ == "__main__":
    unittest.main()
