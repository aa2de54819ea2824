"""What an account has, asked with boto3: an independent client, through the same door as everybody else.

What a fresh account has anyway (the default network and its parts) is left out; what AWS still shows of things that are
gone (terminated instances, deleted NAT gateways) too.
"""

import boto3
from botocore.config import Config


class Inventory:
    """Lists everything of a region."""

    def __init__(self, url, region):
        config = Config(retries={"max_attempts": 0}, user_agent_extra="front-inventory")
        session = boto3.Session(aws_access_key_id="inventory", aws_secret_access_key="inventory", region_name=region)
        self.client = {
            name: session.client(name, endpoint_url=url, config=config) for name in ("ec2", "elbv2", "iam", "s3", "kms")
        }

    def _key(self, listed):
        return self.client["kms"].describe_key(KeyId=listed["KeyId"])["KeyMetadata"]

    def _aws_keys(self):
        aliases = self.client["kms"].list_aliases()["Aliases"]
        return {one.get("TargetKeyId") for one in aliases if one["AliasName"].startswith("alias/aws/")}

    def all(self):
        """Resource -> its list, in the API's own words."""
        ec2, elb, iam, s3 = (self.client[name] for name in ("ec2", "elbv2", "iam", "s3"))

        def pages(client, operation, key, **filters):
            return [item for page in client.get_paginator(operation).paginate(**filters) for item in page[key]]

        vpcs = pages(ec2, "describe_vpcs", "Vpcs")
        default = {vpc["VpcId"] for vpc in vpcs if vpc["IsDefault"]}
        reservations = pages(ec2, "describe_instances", "Reservations")
        instances = [one for reservation in reservations for one in reservation["Instances"]]
        buckets = s3.list_buckets()["Buckets"]
        balancers = pages(elb, "describe_load_balancers", "LoadBalancers")
        found = {
            "instances": [one for one in instances if one["State"]["Name"] != "terminated"],
            "volumes": pages(ec2, "describe_volumes", "Volumes"),
            "vpcs": [vpc for vpc in vpcs if not vpc["IsDefault"]],
            "subnets": [one for one in pages(ec2, "describe_subnets", "Subnets") if one["VpcId"] not in default],
            "internet_gateways": [
                one
                for one in pages(ec2, "describe_internet_gateways", "InternetGateways")
                if not any(attachment["VpcId"] in default for attachment in one["Attachments"])
            ],
            "nat_gateways": [one for one in pages(ec2, "describe_nat_gateways", "NatGateways") if one["State"] != "deleted"],
            "addresses": ec2.describe_addresses()["Addresses"],
            "route_tables": [
                one for one in pages(ec2, "describe_route_tables", "RouteTables") if one["VpcId"] not in default
            ],
            "security_groups": [
                one
                for one in pages(ec2, "describe_security_groups", "SecurityGroups")
                if not (one["VpcId"] in default and one["GroupName"] == "default")
            ],
            "network_interfaces": pages(ec2, "describe_network_interfaces", "NetworkInterfaces"),
            "vpc_endpoints": [
                one for one in pages(ec2, "describe_vpc_endpoints", "VpcEndpoints") if one["State"] != "deleted"
            ],
            "key_pairs": ec2.describe_key_pairs()["KeyPairs"],
            "placement_groups": ec2.describe_placement_groups()["PlacementGroups"],
            "launch_templates": pages(ec2, "describe_launch_templates", "LaunchTemplates"),
            "load_balancers": balancers,
            "listeners": [
                one
                for balancer in balancers
                for one in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
            ],
            "target_groups": pages(elb, "describe_target_groups", "TargetGroups"),
            "buckets": buckets,
            "roles": pages(iam, "list_roles", "Roles"),
            "instance_profiles": pages(iam, "list_instance_profiles", "InstanceProfiles"),
            "policies": pages(iam, "list_policies", "Policies", Scope="Local"),
            # AWS makes keys of its own at the first use (`aws/ebs`), which cost nothing and cannot be deleted.
            "kms_keys": [
                key
                for key in pages(self.client["kms"], "list_keys", "Keys")
                if key["KeyId"] not in self._aws_keys() and self._key(key)["KeyState"] != "PendingDeletion"
            ],
        }
        return {name: items for name, items in found.items() if items}
