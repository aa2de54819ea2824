"""Networks, subnets, routers, firewall rules, addresses, placement policies."""

import ipaddress

from compute import Kind
from errors import GoogleError, invalid, required


class Networks(Kind):
    collection, type_name, singular = "networks", "compute#network", "network"
    updatable = ("routingConfig", "mtu")

    def prepare(self, call, key, body):
        if "autoCreateSubnetworks" not in body and "IPv4Range" not in body:
            raise required("resource.autoCreateSubnetworks")
        if body.get("autoCreateSubnetworks"):
            raise invalid("resource.autoCreateSubnetworks", "true", "This fake makes custom networks only.")
        limit = call.fake.settings["networks"]
        if len(call.fake.store.of(call.project, "networks")) >= limit:
            raise GoogleError(403, "quotaExceeded", f"Quota 'NETWORKS' exceeded.  Limit: {limit}.0 globally.")
        body.setdefault("routingConfig", {"routingMode": "REGIONAL"})
        body.setdefault("mtu", 1460)
        body["networkFirewallPolicyEnforcementOrder"] = "AFTER_CLASSIC_FIREWALL"

    def seen(self, fake, key, body):
        subnets = [one["selfLink"] for _, one in fake.store.of(key[0], "subnetworks") if one["network"] == key.link]
        if subnets:
            body["subnetworks"] = subnets
        return body


class Subnetworks(Kind):
    collection, type_name, singular, scopes = "subnetworks", "compute#subnetwork", "subnetwork", "regions"
    fingerprinted = True
    updatable = ("privateIpGoogleAccess", "logConfig", "enableFlowLogs")

    def prepare(self, call, key, body):
        for name in ("network", "ipCidrRange"):
            if not body.get(name):
                raise required(f"resource.{name}")
        body["network"] = call.resolve(body["network"], "networks", "global", "resource.network").link
        try:
            wanted = ipaddress.ip_network(body["ipCidrRange"])
        except ValueError as error:
            raise invalid(
                "resource.ipCidrRange", body["ipCidrRange"], "Must be a valid IPV4 CIDR address range."
            ) from error
        if not 4 <= wanted.prefixlen <= 29:
            raise invalid("resource.ipCidrRange", wanted, "The prefix must be between /4 and /29.")
        for other, one in call.fake.store.of(call.project, "subnetworks"):
            if one["network"] == body["network"] and wanted.overlaps(ipaddress.ip_network(one["ipCidrRange"])):
                raise invalid(
                    "resource.ipCidrRange",
                    wanted,
                    f"Invalid IPCidrRange: {wanted} conflicts with existing subnetwork '{other[3]}' in region '{other[1].split('/')[1]}'.",
                )
        body.setdefault("privateIpGoogleAccess", False)
        body.setdefault("purpose", "PRIVATE")
        body.setdefault("stackType", "IPV4_ONLY")
        body["gatewayAddress"] = str(wanted[1])


class Routers(Kind):
    collection, type_name, singular, scopes = "routers", "compute#router", "router", "regions"
    updatable = ("nats", "bgp")

    def prepare(self, call, key, body):
        if not body.get("network"):
            raise required("resource.network")
        body["network"] = call.resolve(body["network"], "networks", "global", "resource.network").link
        self.changed(call, key, body)

    def changed(self, call, key, body):
        for nat in body.get("nats", []):
            for name in ("name", "natIpAllocateOption", "sourceSubnetworkIpRangesToNat"):
                if not nat.get(name):
                    raise required(f"resource.nats[0].{name}")
            chosen = nat["sourceSubnetworkIpRangesToNat"] == "LIST_OF_SUBNETWORKS"
            if chosen != bool(nat.get("subnetworks")):
                raise invalid("resource.nats[0].subnetworks", "...", "Given with LIST_OF_SUBNETWORKS and only with it.")
            for subnet in nat.get("subnetworks", []):
                subnet["name"] = call.resolve(
                    subnet["name"], "subnetworks", key[1], "resource.nats[0].subnetworks"
                ).link
            nat.setdefault("type", "PUBLIC")
            nat.setdefault("enableEndpointIndependentMapping", False)


class Firewalls(Kind):
    collection, type_name, singular = "firewalls", "compute#firewall", "firewall"
    updatable = (
        "allowed",
        "denied",
        "sourceRanges",
        "sourceTags",
        "targetTags",
        "sourceServiceAccounts",
        "targetServiceAccounts",
        "priority",
        "disabled",
        "logConfig",
        "destinationRanges",
    )

    def prepare(self, call, key, body):
        network = body.get("network", "global/networks/default")
        body["network"] = call.resolve(network, "networks", "global", "resource.network").link
        body.setdefault("priority", 1000)
        body.setdefault("direction", "INGRESS")
        body.setdefault("disabled", False)
        body.setdefault("logConfig", {"enable": False})
        self.changed(call, key, body)

    def changed(self, call, key, body):
        if bool(body.get("allowed")) == bool(body.get("denied")):
            raise invalid("resource.allowed", "...", "Exactly one of allowed and denied.")
        tags = body.get("sourceTags") or body.get("targetTags")
        accounts = body.get("sourceServiceAccounts") or body.get("targetServiceAccounts")
        if tags and accounts:
            raise invalid("resource.targetTags", "...", "Tags and service accounts cannot stand in one rule.")
        if len(body.get("sourceServiceAccounts", [])) > 10 or len(body.get("targetServiceAccounts", [])) > 10:
            raise invalid("resource.sourceServiceAccounts", "...", "At most 10 service accounts.")
        sources = [body.get(name) for name in ("sourceRanges", "sourceTags", "sourceServiceAccounts")]
        if body["direction"] == "INGRESS" and not any(sources):
            body["sourceRanges"] = ["0.0.0.0/0"]
        for text in body.get("sourceRanges", []) + body.get("destinationRanges", []):
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                raise invalid("resource.sourceRanges[0]", text, "Must be a valid address range.") from error
        for rule in body.get("allowed", []) + body.get("denied", []):
            if not rule.get("IPProtocol"):
                raise required("resource.allowed[0].IPProtocol")
            for port in rule.get("ports", []):
                if not all(part.isdigit() and int(part) < 65536 for part in port.split("-")):
                    raise invalid("resource.allowed[0].ports", port, "Not a port or range of ports.")
            if rule.get("ports") and rule["IPProtocol"] not in ("tcp", "udp", "sctp"):
                raise invalid("resource.allowed[0].ports", rule["ports"], "Only tcp, udp and sctp have ports.")


class Addresses(Kind):
    collection, type_name, singular, scopes = "addresses", "compute#address", "address", "regions"
    labelled = True

    def prepare(self, call, key, body):
        body.setdefault("addressType", "EXTERNAL")
        if body["addressType"] == "INTERNAL":
            if not body.get("subnetwork"):
                raise required("resource.subnetwork")
            subnet = call.resolve(body["subnetwork"], "subnetworks", key[1], "resource.subnetwork")
            body["subnetwork"] = subnet.link
            body["address"] = free_address(call.fake, subnet, body.get("address"))
            body.setdefault("purpose", "GCE_ENDPOINT")
        else:
            if body.get("address"):
                raise invalid("resource.address", body["address"], "External addresses are chosen by the service.")
            used = [
                one
                for _, one in call.fake.store.of(call.project, "addresses", key[1])
                if one["addressType"] == "EXTERNAL"
            ]
            call.fake.check_quota(call.project, key[1].split("/")[1], "STATIC_ADDRESSES", len(used) + 1)
            body["address"] = call.fake.external_address()
            body.setdefault("networkTier", "PREMIUM")
        body["status"] = "RESERVING"

    def ready(self, fake, key, body):
        body["status"] = "RESERVED"

    def may_delete(self, fake, key, body):
        users = self._users(fake, key, body)
        if users:
            raise GoogleError(
                400,
                "resourceInUseByAnotherResource",
                f"The address resource '{key.path}' is already being used by '{users[0].path}'",
            )

    def seen(self, fake, key, body):
        users = self._users(fake, key, body)
        if users and body["status"] != "RESERVING":
            body["status"] = "IN_USE"
            body["users"] = [user.link for user in users]
        return body

    def _users(self, fake, key, body):
        found = []
        for other, one in fake.store.resources.items():
            if other[0] == key[0] and body["address"] in addresses_of(other, one):
                found.append(other)
        return found


class ResourcePolicies(Kind):
    collection, type_name, singular, scopes = "resourcePolicies", "compute#resourcePolicy", "resourcePolicy", "regions"

    def prepare(self, call, key, body):
        policy = body.get("groupPlacementPolicy")
        if policy is None:
            raise invalid("resource", "...", "This fake knows group placement policies only.")
        if policy.get("availabilityDomainCount") and not 1 <= policy["availabilityDomainCount"] <= 8:
            raise invalid(
                "resource.groupPlacementPolicy.availabilityDomainCount",
                policy["availabilityDomainCount"],
                "Must be between 1 and 8.",
            )
        body["status"] = "READY"


def addresses_of(key, body):
    """Addresses that an instance or a forwarding rule uses."""
    if key[2] == "instances":
        for interface in body["networkInterfaces"]:
            yield interface["networkIP"]
            for config in interface.get("accessConfigs", []):
                if "natIP" in config:
                    yield config["natIP"]
    elif key[2] == "forwardingRules":
        yield body["IPAddress"]


def free_address(fake, subnet, wanted=None):
    """An address of the subnet that nobody has: `wanted`, or the first."""
    body = fake.store.get(subnet)
    network = ipaddress.ip_network(body["ipCidrRange"])
    taken = {str(network[0]), str(network[1]), str(network[-2]), str(network[-1])}
    for key, one in fake.store.resources.items():
        if key[0] == subnet[0]:
            taken |= set(addresses_of(key, one))
            if key[2] == "addresses" and one.get("subnetwork") == subnet.link:
                taken.add(one["address"])
    if wanted:
        if ipaddress.ip_address(wanted) not in network:
            raise invalid(
                "resource.networkIP", wanted, f"The address is not in the range of subnetwork '{subnet.path}'."
            )
        if wanted in taken:
            raise GoogleError(
                400, "resourceInUseByAnotherResource", f"IP '{wanted}' is already being used by another resource."
            )
        return wanted
    for address in network:
        if str(address) not in taken:
            return str(address)
    raise GoogleError(400, "ipSpaceExhausted", f"IP space of '{subnet.path}' is exhausted.")


KINDS = [Networks(), Subnetworks(), Routers(), Firewalls(), Addresses(), ResourcePolicies()]
