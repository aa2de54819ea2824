"""Addresses: which are free, and who has which."""

import ipaddress

import arm_id
from errors import bad
from kinds.kind import property_of


def subnet_of(world, text):
    """The prefix of a subnet."""
    arm = arm_id.parse(text)
    holder = world.resources[arm.parent.key]
    for subnet in holder.properties.get("subnets") or []:
        if subnet["name"].lower() == arm.name.lower():
            wanted = subnet["properties"]
            return ipaddress.ip_network(wanted.get("addressPrefix") or wanted["addressPrefixes"][0])
    raise bad("InvalidResourceReference", f"subnet {text} was not found")


def taken(world, subnet, but=None):
    """Address -> who has it, in a subnet."""
    found = {}
    for resource in world.resources.values():
        if but is not None and resource.id.key == but.key:
            continue
        for part in ("ipConfigurations", "frontendIPConfigurations"):
            for one in resource.body.get("properties", {}).get(part) or []:
                wanted = one.get("properties") or {}
                if (property_of(wanted, "subnet", "id") or "").lower() == subnet.lower() and wanted.get("privateIPAddress"):
                    found[wanted["privateIPAddress"]] = resource.id.text
    return found


def usable(prefix):
    """Azure keeps the first four addresses and the last one of a subnet."""
    return list(prefix)[4:-1] if prefix.prefixlen > 20 else [prefix[index] for index in range(4, 4096)]


def need_private(world, arm, subnet, address):
    prefix = subnet_of(world, subnet)
    if address is None:
        raise bad("PrivateIPAddressRequired", f"{arm.text}: a static address must be given")
    if ipaddress.ip_address(address) not in prefix:
        raise bad("PrivateIPAddressNotInSubnet", f"Private static IP address {address} does not belong to the range of subnet prefix {prefix}.")
    if ipaddress.ip_address(address) in (prefix[0], prefix[1], prefix[2], prefix[3], prefix[-1]):
        raise bad("PrivateIPAddressInReservedRange", f"Private static IP address {address} falls within reserved IP range of subnet prefix {prefix}.")
    owner = taken(world, subnet, arm).get(address)
    if owner:
        raise bad("PrivateIPAddressInUse", f"IP configuration is using the private IP address {address} which is already allocated to resource {owner}.")


def next_free(world, subnet):
    owned = taken(world, subnet)
    for address in usable(subnet_of(world, subnet)):
        if str(address) not in owned:
            return str(address)
    raise bad("SubnetIsFull", f"Subnet {subnet} does not have enough capacity for 1 IP addresses.")


def need_free(world, arm, public):
    """A public address has one user."""
    for user, _ in world.users_of(public):
        if user.id.key != arm.key:
            raise bad("PublicIPAddressInUse", f"Resource {arm.text} is referencing public IP address {public} that is already allocated to resource {user.id.text}.")


def need_standard(world, public):
    found = world.resources.get(public.lower())
    if found and property_of(found.body, "sku", "name") != "Standard":
        raise bad("PublicIPAndLBSkuDoNotMatch", "a Standard resource can only refer to a Standard public IP address")
