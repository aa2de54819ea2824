"""Networks, security, addresses, interfaces, balancers."""

import ipaddress

import arm_id
import catalog
from errors import ArmError, bad
from kinds import addresses
from kinds.kind import Kind, property_of

RULES_AT_MOST = 1000


class NetworkKind(Kind):
    """References lead to resources of the same region."""

    def validate(self, world, arm, body, old):
        if old and old.body["location"] != body["location"]:
            raise bad("InvalidResourceLocation", f"The resource '{arm.name}' already exists in location '{old.body['location']}'.")
        for path, target in arm_id.references(body.get("properties", {}), "properties"):
            parsed = arm_id.parse(target)
            while parsed and parsed.parent:
                parsed = parsed.parent
            other = parsed and world.resources.get(parsed.key)
            if other and other.body.get("location", body["location"]) != body["location"]:
                raise bad("InvalidResourceReference", f"Resource {target} referenced by resource {arm.text} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.")
            if other and other.state == "Failed" and other.kind.type.startswith("Microsoft.Network"):
                raise ArmError(409, "ReferencedResourceNotProvisioned", f"Cannot proceed with operation because resource {target} used by resource {arm.text} is not in Succeeded state. Resource is in Failed state.")
            if other and other.state == "Updating" and other.operation and not other.facts.get("made"):
                raise ArmError(429, "ReferencedResourceNotProvisioned", f"Cannot proceed with operation because resource {target} used by resource {arm.text} is not in Succeeded state. Resource is in Updating state and the last operation that updated/is updating the resource is PutOperation.", {"Retry-After": "1"})
        self.rules(world, arm, body, old)

    def rules(self, world, arm, body, old):
        """What is particular to a type."""


class VirtualNetwork(NetworkKind):
    type = "Microsoft.Network/virtualNetworks"
    model = reply_model = "network.VirtualNetwork"
    patch_model = "network.TagsObject"
    parts = ("subnets",)
    in_use = ("InUseSubnetCannotBeDeleted", "Subnet {path} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet.")

    def rules(self, world, arm, body, old):
        spaces = [network(prefix) for prefix in property_of(body, "properties", "addressSpace", "addressPrefixes") or []]
        if not spaces:
            raise bad("InvalidRequestFormat", "a virtual network needs an address space")
        taken = []
        for subnet in property_of(body, "properties", "subnets") or []:
            prefix = network(property_of(subnet, "properties", "addressPrefix") or (property_of(subnet, "properties", "addressPrefixes") or [None])[0])
            if not any(prefix.subnet_of(space) for space in spaces):
                raise bad("NetcfgInvalidSubnet", f"Subnet '{subnet['name']}' is not valid in virtual network '{arm.name}'.")
            for name, other in taken:
                if prefix.overlaps(other):
                    raise bad("NetcfgSubnetRangesOverlap", f"Subnet '{subnet['name']}' is not valid because its IP address range overlaps with that of an existing subnet '{name}' in virtual network '{arm.name}'.")
            taken.append((subnet["name"], prefix))
        if old:
            kept = {name.lower() for name, _ in taken}
            for subnet in property_of(old.body, "properties", "subnets") or []:
                if subnet["name"].lower() not in kept:
                    part_free(world, f"{arm.text}/subnets/{subnet['name']}")


def part_free(world, text):
    for user, _ in world.users_of(text):
        raise bad("InUseSubnetCannotBeDeleted", f"Subnet {text.rsplit('/', 1)[-1]} is in use by {user.id.text} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet.")


class ApplicationSecurityGroup(NetworkKind):
    type = "Microsoft.Network/applicationSecurityGroups"
    model = reply_model = "network.ApplicationSecurityGroup"
    patch_model = "network.TagsObject"
    in_use = ("ApplicationSecurityGroupInUse", "Application security group {id} cannot be deleted because it is in use by {user}.")


class NetworkSecurityGroup(NetworkKind):
    type = "Microsoft.Network/networkSecurityGroups"
    model = reply_model = "network.NetworkSecurityGroup"
    patch_model = "network.TagsObject"
    parts = ("securityRules",)
    in_use = ("InUseNetworkSecurityGroupCannotBeDeleted", "Network security group {id} cannot be deleted because it is in use by the following resources: {user}.")

    def rules(self, world, arm, body, old):
        rules = property_of(body, "properties", "securityRules") or []
        if len(rules) > RULES_AT_MOST:
            raise bad("NetworkSecurityGroupRuleLimitReached", f"Network security group {arm.name} has {len(rules)} rules; at most {RULES_AT_MOST} are allowed.")
        taken = {}
        for rule in rules:
            wanted = rule.get("properties") or {}
            name = rule["name"]
            if not 100 <= wanted.get("priority", 0) <= 4096:
                raise bad("SecurityRuleInvalidPriority", f"Security rule {name} has invalid priority. Value provided: {wanted.get('priority')}. Allowed range 100-4096.")
            slot = (wanted["direction"], wanted["priority"])
            if slot in taken:
                raise bad("SecurityRuleConflict", f"Security rule {name} conflicts with rule {taken[slot]}. Rules cannot have the same Priority and Direction.")
            taken[slot] = name
            for side in ("source", "destination"):
                ways = [key for key in (f"{side}AddressPrefix", f"{side}AddressPrefixes", f"{side}ApplicationSecurityGroups") if wanted.get(key)]
                if len(ways) != 1:
                    raise bad("SecurityRuleInvalidParameters", f"Security rule {name} must say its {side} in exactly one way, not {ways}.")
                ports = [key for key in (f"{side}PortRange", f"{side}PortRanges") if wanted.get(key)]
                if len(ports) != 1:
                    raise bad("SecurityRuleInvalidParameters", f"Security rule {name} must say its {side} ports in exactly one way, not {ports}.")
                for prefix in wanted.get(f"{side}AddressPrefixes") or [wanted.get(f"{side}AddressPrefix") or "*"]:
                    if prefix[0].isdigit():
                        network(prefix)


class NatGateway(NetworkKind):
    type = "Microsoft.Network/natGateways"
    model = reply_model = "network.NatGateway"
    patch_model = "network.TagsObject"
    in_use = ("InUseNatGatewayCannotBeDeleted", "NAT gateway {id} cannot be deleted because it is in use by {user}.")

    def rules(self, world, arm, body, old):
        if property_of(body, "sku", "name") not in ("Standard", "StandardV2"):
            raise bad("NatGatewaySkuNotSpecified", "a NAT gateway needs the sku Standard")
        for address in property_of(body, "properties", "publicIpAddresses") or []:
            addresses.need_standard(world, address["id"])
            addresses.need_free(world, arm, address["id"])


class PublicAddress(NetworkKind):
    type = "Microsoft.Network/publicIPAddresses"
    model = reply_model = "network.PublicIPAddress"
    patch_model = "network.TagsObject"
    in_use = ("PublicIPAddressCannotBeDeleted", "Public IP address {id} can not be deleted since it is still allocated to resource {user}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.")

    def rules(self, world, arm, body, old):
        if property_of(body, "sku", "name") == "Standard" and property_of(body, "properties", "publicIPAllocationMethod") != "Static":
            raise bad("PublicIPAddressAllocationMethodInvalid", "Standard public IP addresses must be static.")
        if property_of(body, "sku", "name") != "Standard":
            raise bad("PublicIPAddressBasicSkuRetired", "Basic public IP addresses were retired on 30 September 2025.")

    def complete(self, world, resource):
        resource.facts.setdefault("address", f"203.0.{113 + next(world.numbers) // 250}.{next(world.numbers) % 250 + 1}")

    def decorate(self, world, resource, body):
        if "address" in resource.facts:
            body["properties"]["ipAddress"] = resource.facts["address"]
        for user, path in world.users_of(resource.id.text):
            if "ipConfigurations[0]" in path:
                name = user.properties["ipConfigurations"][0]["name"]
                body["properties"]["ipConfiguration"] = {"id": f"{user.id.text}/ipConfigurations/{name}"}


class NetworkInterface(NetworkKind):
    type = "Microsoft.Network/networkInterfaces"
    model = reply_model = "network.NetworkInterface"
    patch_model = "network.TagsObject"
    parts = ("ipConfigurations",)
    in_use = ("NicInUse", "Network Interface {id} is used by existing resource {user}. In order to delete the network interface, it must be dissociated from the resource.")

    def rules(self, world, arm, body, old):
        configurations = property_of(body, "properties", "ipConfigurations") or []
        if not configurations:
            raise bad("NetworkInterfaceMustHaveIpConfiguration", f"Network interface {arm.name} has no IP configuration.")
        for configuration in configurations:
            wanted = configuration["properties"]
            subnet = property_of(wanted, "subnet", "id")
            if not subnet:
                raise bad("IpConfigurationMustHaveSubnet", f"IP configuration {configuration['name']} has no subnet.")
            if wanted.get("privateIPAllocationMethod") == "Static":
                addresses.need_private(world, arm, subnet, wanted.get("privateIPAddress"))
            if property_of(wanted, "publicIPAddress", "id"):
                addresses.need_free(world, arm, wanted["publicIPAddress"]["id"])

    def complete(self, world, resource):
        for configuration in resource.properties["ipConfigurations"]:
            wanted = configuration["properties"]
            wanted.setdefault("privateIPAllocationMethod", "Dynamic")
            if "privateIPAddress" not in wanted:
                known = resource.facts.get("address")
                wanted["privateIPAddress"] = known or addresses.next_free(world, wanted["subnet"]["id"])
            resource.facts["address"] = wanted["privateIPAddress"]

    def decorate(self, world, resource, body):
        for user, _ in world.users_of(resource.id.text):
            if user.id.type.lower() == "microsoft.compute/virtualmachines":
                body["properties"]["virtualMachine"] = {"id": user.id.text}


class LoadBalancer(NetworkKind):
    type = "Microsoft.Network/loadBalancers"
    model = reply_model = "network.LoadBalancer"
    patch_model = "network.TagsObject"
    parts = ("frontendIPConfigurations", "backendAddressPools", "loadBalancingRules", "probes", "outboundRules")
    in_use = ("LoadBalancerInUse", "Load balancer {id} cannot be deleted because it is in use by {user}.")

    def rules(self, world, arm, body, old):
        if property_of(body, "sku", "name") != "Standard":
            raise bad("LoadBalancerBasicSkuRetired", "Basic load balancers were retired on 30 September 2025.")
        properties = body.get("properties") or {}
        for front in properties.get("frontendIPConfigurations") or []:
            wanted = front["properties"]
            public, subnet = property_of(wanted, "publicIPAddress", "id"), property_of(wanted, "subnet", "id")
            if bool(public) == bool(subnet):
                raise bad("LoadBalancerFrontendIPConfigMustHaveSubnetOrPublicIP", f"frontend {front['name']} needs a subnet or a public IP address")
            if public:
                addresses.need_standard(world, public)
                addresses.need_free(world, arm, public)
            elif wanted.get("privateIPAddress"):
                addresses.need_private(world, arm, subnet, wanted["privateIPAddress"])
            zones = front.get("zones") or []
            known = catalog.REGIONS.get(body["location"], [])
            if zones and (public or not set(zones) <= set(known)):
                raise bad("LoadBalancerFrontendIPConfigZonesInvalid", f"frontend {front['name']} cannot be in zones {zones}")
            was = old and [one for one in property_of(old.body, "properties", "frontendIPConfigurations") or [] if one["name"] == front["name"]]
            if was and (was[0].get("zones") or []) != zones:
                raise bad("LoadBalancerFrontendIPConfigZonesCannotBeChanged", f"the zones of frontend {front['name']} cannot be changed")
        self.pools(world, arm, properties)
        fronts, behind = {}, {}
        for rule in properties.get("loadBalancingRules") or []:
            wanted = rule["properties"]
            for part in ("frontendIPConfiguration", "backendAddressPool", "probe"):
                target = property_of(wanted, part, "id") or ""
                if not target.lower().startswith(arm.key + "/"):
                    raise bad("InvalidResourceReference", f"load balancing rule {rule['name']}: its {part} must be the load balancer's own, not '{target}'")
            front, pool = wanted["frontendIPConfiguration"]["id"].lower(), wanted["backendAddressPool"]["id"].lower()
            slot = (front, wanted["protocol"], wanted["frontendPort"])
            if slot in fronts:
                raise bad("RulesUseSameFrontendPortProtocolAndIPConfig", f"Load balancing rules {rule['name']} and {fronts[slot]} use the same frontend port, protocol and IP configuration.")
            fronts[slot] = rule["name"]
            if wanted.get("enableFloatingIP"):
                continue
            slot = (pool, wanted["protocol"], wanted["backendPort"])
            if slot in behind:
                raise bad("RulesUseSameBackendPortProtocolAndPool", f"Load balancing rules {rule['name']} and {behind[slot]} belong to the same load balancer and use the same backend port, protocol and pool with floating IP disabled.")
            behind[slot] = rule["name"]
        for probe in properties.get("probes") or []:
            wanted = probe["properties"]
            if wanted["protocol"] in ("Http", "Https") and not wanted.get("requestPath"):
                raise bad("InvalidRequestPathInProbe", f"probe {probe['name']} needs a request path")
            if wanted["protocol"] == "Tcp" and wanted.get("requestPath"):
                raise bad("InvalidRequestPathInProbe", f"probe {probe['name']}: a TCP probe has no request path")
            if wanted.get("intervalInSeconds", 15) < 5:
                raise bad("InvalidProbeInterval", f"probe {probe['name']}: the interval is at least 5 seconds")

    @staticmethod
    def pools(world, arm, properties):
        """Whoever is behind by his address is in the network that he names, and once in a pool."""
        for pool in properties.get("backendAddressPools") or []:
            names, owned = set(), set()
            for member in property_of(pool, "properties", "loadBalancerBackendAddresses") or []:
                wanted = member.get("properties") or {}
                holder = world.resources.get((property_of(wanted, "virtualNetwork", "id") or "").lower())
                if holder is None or not wanted.get("ipAddress"):
                    raise bad("LoadBalancerBackendAddressInvalid", f"{arm.name}: backend address {member.get('name')} needs an address and a virtual network")
                spaces = [network(prefix) for prefix in property_of(holder.body, "properties", "addressSpace", "addressPrefixes")]
                if not any(ipaddress.ip_address(wanted["ipAddress"]) in space for space in spaces):
                    raise bad("LoadBalancerBackendAddressNotInVirtualNetwork", f"backend address {wanted['ipAddress']} is not in virtual network {holder.id.text}")
                if member.get("name") in names or wanted["ipAddress"] in owned:
                    raise bad("LoadBalancerBackendAddressDuplicate", f"backend pool {pool['name']} has {member.get('name')} or {wanted['ipAddress']} twice")
                names.add(member.get("name"))
                owned.add(wanted["ipAddress"])

    def complete(self, world, resource):
        for front in resource.properties.get("frontendIPConfigurations") or []:
            wanted = front["properties"]
            if "subnet" in wanted:
                wanted.setdefault("privateIPAllocationMethod", "Dynamic")
                if "privateIPAddress" not in wanted:
                    known = resource.facts.get("address")
                    wanted["privateIPAddress"] = known or addresses.next_free(world, wanted["subnet"]["id"])
                resource.facts["address"] = wanted["privateIPAddress"]


class BastionHost(NetworkKind):
    type = "Microsoft.Network/bastionHosts"
    model = reply_model = "network.BastionHost"
    patch_model = "network.TagsObject"
    slow = 5

    def rules(self, world, arm, body, old):
        if property_of(body, "properties", "enableTunneling") and property_of(body, "sku", "name") not in ("Standard", "Premium"):
            raise bad("BastionHostSkuDoesNotSupportFeature", "tunneling needs a Bastion of the sku Standard or Premium")
        configurations = property_of(body, "properties", "ipConfigurations") or []
        if len(configurations) != 1:
            raise bad("BastionHostIpConfigurationCountInvalid", f"a Bastion has one IP configuration, not {len(configurations)}")
        for configuration in configurations:
            wanted = configuration["properties"]
            subnet = wanted["subnet"]["id"]
            if not subnet.lower().endswith("/subnets/azurebastionsubnet"):
                raise bad("BastionSubnetNameInvalid", "the subnet of a Bastion must be called AzureBastionSubnet")
            if addresses.subnet_of(world, subnet).prefixlen > 26:
                raise bad("BastionSubnetTooSmall", "the subnet of a Bastion must be /26 or larger")
            for user, _ in world.users_of(subnet):
                if user.id.key != arm.key:
                    raise bad("BastionHostAlreadyExistsInVirtualNetwork", f"{user.id.text} is in {subnet} already")
            addresses.need_standard(world, wanted["publicIPAddress"]["id"])
            addresses.need_free(world, arm, wanted["publicIPAddress"]["id"])


def network(text):
    try:
        return ipaddress.ip_network(text or "")
    except ValueError as error:
        raise bad("InvalidAddressPrefixFormat", f"Address prefix {text} is not formatted correctly: {error}")


def kinds():
    return [
        VirtualNetwork(),
        ApplicationSecurityGroup(),
        NetworkSecurityGroup(),
        NatGateway(),
        PublicAddress(),
        NetworkInterface(),
        LoadBalancer(),
        BastionHost(),
    ]
