"""Everything that only looks: lists, filters, providers, sizes, usages, images."""

import re
import secrets

import catalog
import world as worlds
from errors import ArmError, bad, missing_group

FILTER_TAG = re.compile(r"^tagname eq '([^']*)'(?: and tagvalue eq '([^']*)')?$", re.I)
FILTER_PLACE = re.compile(r"^location eq '([^']*)'$", re.I)


def resource_list(world, query, prefix, group_list):
    """`/resources` and `/resourcegroups`, with the tag filter."""
    name, value = None, None
    if query.get("$filter"):
        match = FILTER_TAG.match(query["$filter"])
        if match is None:
            raise bad("InvalidFilterInQueryString", f"Invalid $filter '{query['$filter']}' specified in the query string.")
        name, value = match.groups()
    found = []
    for resource in world.inside(prefix):
        is_group = resource.id.type == "Microsoft.Resources/resourceGroups"
        if is_group != group_list or not resource.kind.has_tags:
            continue
        tags = resource.body.get("tags") or {}
        if name is not None and (name not in tags or (value is not None and tags[name] != value)):
            continue
        if is_group:
            found.append(resource.kind.reply(world, resource))
        else:
            brief = {"id": resource.id.text, "name": resource.id.name, "type": resource.kind.type}
            # Who filters by a tag does not see the tags: Azure's documentation of Resources - List says so.
            told = ("location", "tags") if name is None else ("location",)
            found.append(brief | {key: resource.body[key] for key in told if key in resource.body})
    return found


def type_list(world, prefix, kind):
    return [kind.reply(world, resource) for resource in world.inside(prefix) if resource.kind is kind]


def provider(world, namespace):
    known = {name.lower(): name for name in catalog.NAMESPACES}
    if namespace.lower() not in known:
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    name = known[namespace.lower()]
    world.settle()
    waits = "Registering" if name in world.registering else "NotRegistered"
    state = waits if name in world.settings["unregistered"] else "Registered"
    return {
        "id": f"/subscriptions/{worlds.SUBSCRIPTION}/providers/{name}",
        "namespace": name,
        "registrationState": state,
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [],
    }


def skus(world, query):
    match = FILTER_PLACE.match(query.get("$filter", ""))
    if match is None:
        raise bad("BadRequest", "this server lists sizes of one location: $filter=location eq 'westeurope'")
    region = match.group(1).lower()
    if region not in catalog.REGIONS:
        return []
    return list(catalog.skus(region, world.settings["restricted"]))


def usages(world, region, namespace):
    def usage(name, used, limit, words=None):
        return {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": words or name}}

    if region not in catalog.REGIONS:
        raise ArmError(404, "NoRegisteredProviderFound", f"No registered resource provider found for location '{region}'.")
    if namespace == "microsoft.network":
        addresses = [one for one in world.resources.values() if one.kind.type.endswith("publicIPAddresses")]
        return [
            usage("StandardSkuPublicIpAddresses", len(addresses), 1000, "Public IPv4 Addresses - Standard"),
            usage("NetworkInterfaces", 0, 65536, "Network Interfaces"),
        ]
    found = [usage("cores", world.cores_used(), world.settings["cores"], "Total Regional vCPUs")]
    for family in catalog.FAMILIES:
        limit = world.settings["family_cores"].get(family, world.settings["cores"])
        found.append(usage(family, world.cores_used(family), limit, f"{family} vCPUs"))
    return found


def image_versions(region, publisher, offer, sku):
    if (publisher.lower(), offer.lower(), sku.lower()) not in catalog.IMAGES:
        raise ArmError(404, "NotFound", "Artifact: VMImage was not found.")
    base = f"/Subscriptions/{worlds.SUBSCRIPTION}/Providers/Microsoft.Compute/Locations/{region}/Publishers/{publisher}"
    return [
        {
            "location": region,
            "name": catalog.IMAGE_VERSION,
            "id": f"{base}/ArtifactTypes/VMImage/Offers/{offer}/Skus/{sku}/Versions/{catalog.IMAGE_VERSION}",
        }
    ]


def image(region, publisher, offer, sku, version):
    found = image_versions(region, publisher, offer, sku)[0]
    if version not in (catalog.IMAGE_VERSION, "latest"):
        raise ArmError(404, "NotFound", "Artifact: VMImage was not found.")
    generation, processor, plan = catalog.IMAGES[(publisher.lower(), offer.lower(), sku.lower())]
    found["properties"] = {
        "hyperVGeneration": generation,
        "osDiskImage": {"operatingSystem": "Linux"},
        "architecture": processor,
        "features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}] if generation == "V2" else [],
    }
    if plan:
        found["properties"]["plan"] = {"name": sku, "publisher": publisher, "product": offer}
    return found


def console(world, resource):
    """The serial console's log of a machine: what cloud-init writes of its host keys at the first start."""
    host_key = resource.facts.setdefault("host_key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + secrets.token_hex(21) + "AB")
    return "\n".join(
        [
            "[    0.000000] Linux version 6.1.0",
            "-----BEGIN SSH HOST KEY KEYS-----",
            f"{host_key} root@{resource.id.name}",
            "-----END SSH HOST KEY KEYS-----",
            "",
        ]
    )


def prices(query):
    """The retail price service: one page for each question, with what is never to be taken for a price of Linux."""
    asked = query.get("$filter", "")
    if "armRegionName eq 'westeurope'" not in asked:
        return {"Items": [], "NextPageLink": None}

    def item(service, product, sku, meter, arm, unit, price):
        names = ("serviceName", "productName", "skuName", "meterName", "armSkuName", "unitOfMeasure", "retailPrice")
        return dict(zip(names, (service, product, sku, meter, arm, unit, price))) | {"currencyCode": "USD"}

    machine = "Virtual Machines"
    all_items = [
        item(machine, "Virtual Machines Dsv3 Series", "D2s v3", "D2s v3", "Standard_D2s_v3", "1 Hour", 0.12),
        item(machine, "Virtual Machines Dsv3 Series Windows", "D2s v3", "D2s v3", "Standard_D2s_v3", "1 Hour", 0.21),
        item(machine, "Virtual Machines Dsv3 Series", "D2s v3 Spot", "D2s v3 Spot", "Standard_D2s_v3", "1 Hour", 0.02),
        item("Storage", "Premium SSD Managed Disks", "P6 LRS", "P6 LRS Disk", "", "1/Month", 10.21),
        item("NAT Gateway", "NAT Gateway", "Standard", "Standard Gateway", "", "1 Hour", 0.045),
    ]
    return {"Items": [one for one in all_items if f"serviceName eq '{one['serviceName']}'" in asked], "NextPageLink": None}


def terms(world, publisher, offer, plan):
    return {
        "id": f"/subscriptions/{worlds.SUBSCRIPTION}/providers/Microsoft.MarketplaceOrdering/offertypes/virtualmachine/"
        f"publishers/{publisher}/offers/{offer}/plans/{plan}/agreements/current",
        "name": plan,
        "properties": {"publisher": publisher, "product": offer, "plan": plan, "accepted": not world.settings["unaccepted_terms"]},
    }


def locks_or_roles(world, scope, kind):
    """What holds at a scope or below it."""
    if scope.lower().count("/") > 2 and not world.exists(scope):
        raise missing_group(scope)
    scope = scope.lower()
    return [
        kind.reply(world, resource)
        for resource in world.resources.values()
        if resource.kind is kind and (resource.id.scope.lower() == scope or resource.id.scope.lower().startswith(scope + "/"))
    ]


def paged(world, items, url, query):
    """One page, and where the next one is."""
    size = int(world.settings["page_size"])
    if "$top" in query:
        size = min(size, int(query["$top"]))
    start = int(query.get("$skiptoken", 0))
    page = {"value": items[start : start + size]}
    if start + size < len(items):
        kept = "&".join(f"{key}={value}" for key, value in query.items() if key != "$skiptoken")
        page["nextLink"] = f"{url}?{kept}&$skiptoken={start + size}".replace(" ", "%20").replace("'", "%27")
    return page


