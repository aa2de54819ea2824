"""What the fake's regions offer: sizes with their families, zones and restrictions; images; role definitions.

Figures of sizes are those of Microsoft's size pages; only what the tests use is here.
"""

REGIONS = {
    # region -> zones
    "westeurope": ["1", "2", "3"],
    "northeurope": ["1", "2", "3"],
    "germanywestcentral": ["1", "2", "3"],
    # A region without zones: availability sets there.
    "westus": [],
}

PREMIUM = {"PremiumIO": "True", "HyperVGenerations": "V1,V2", "TrustedLaunchDisabled": "False"}

# size -> family, vCPUs, GB of memory, data disks, capabilities
SIZES = {}


def add(pattern, family, counts, memory_per_cpu, **capabilities):
    for count in counts:
        SIZES[pattern.format(count)] = (
            family,
            count,
            memory_per_cpu * count,
            min(2 * count, 32),
            {**PREMIUM, **capabilities},
        )


add("Standard_D{}s_v3", "standardDSv3Family", (2, 4, 8, 16, 32, 48, 64), 4)
add("Standard_E{}s_v3", "standardESv3Family", (2, 4, 8, 16, 32, 48, 64), 8)
add("Standard_F{}s_v2", "standardFSv2Family", (2, 4, 8, 16, 32, 48, 64, 72), 2)
add("Standard_D{}s_v5", "standardDSv5Family", (2, 4, 8, 16, 32, 48, 64), 4, UltraSSDAvailable="True")
add("Standard_E{}s_v5", "standardESv5Family", (2, 4, 8, 16, 32, 48, 64), 8, UltraSSDAvailable="True")
SIZES["Standard_B2s"] = ("standardBSFamily", 2, 4, 4, dict(PREMIUM))
SIZES["Standard_B1s"] = ("standardBSFamily", 1, 1, 2, dict(PREMIUM))
# No premium storage.
SIZES["Standard_D2_v3"] = ("standardDv3Family", 2, 8, 4, {"PremiumIO": "False", "HyperVGenerations": "V1"})

FAMILIES = sorted({size[0] for size in SIZES.values()})

# publisher, offer, sku -> Hyper-V generation, processor, has a purchase plan
IMAGES = {
    ("canonical", "ubuntu-24_04-lts", "server"): ("V2", "x64", False),
    ("canonical", "ubuntu-24_04-lts", "server-gen1"): ("V1", "x64", False),
    ("canonical", "ubuntu-24_04-lts", "server-arm64"): ("V2", "Arm64", False),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"): ("V2", "x64", False),
    ("debian", "debian-12", "12-gen2"): ("V2", "x64", False),
    ("debian", "debian-12", "12-arm64"): ("V2", "Arm64", False),
    ("debian", "debian-13", "13-gen2"): ("V2", "x64", False),
    ("vendor", "hardened", "server-gen2"): ("V2", "x64", True),
}
IMAGE_VERSION = "1.0.20261101"

# Built-in role definitions, by their well-known ids.
ROLE_DEFINITIONS = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
}

NAMESPACES = [
    "Microsoft.Authorization",
    "Microsoft.Compute",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.Resources",
    "Microsoft.Storage",
]


def skus(region, restricted):
    """The answer of `Microsoft.Compute/skus` for a region; `restricted`: size -> zones, or `all`."""
    zones = REGIONS[region]
    for size, (family, cpus, memory, disks, capabilities) in sorted(SIZES.items()):
        restrictions = []
        denied = restricted.get(size)
        if denied == "all":
            restrictions.append(restriction("Location", region, {"locations": [region]}))
        elif denied:
            restrictions.append(restriction("Zone", region, {"locations": [region], "zones": denied}))
        facts = {"vCPUs": cpus, "MemoryGB": memory, "MaxDataDiskCount": disks, **capabilities}
        yield {
            "resourceType": "virtualMachines",
            "name": size,
            "tier": "Standard",
            "size": size.removeprefix("Standard_"),
            "family": family,
            "locations": [region],
            "locationInfo": [{"location": region, "zones": zones, "zoneDetails": []}],
            "capabilities": [{"name": name, "value": str(value)} for name, value in facts.items()],
            "restrictions": restrictions,
        }


def restriction(kind, region, info):
    return {
        "type": kind,
        "values": [region],
        "restrictionInfo": info,
        "reasonCode": "NotAvailableForSubscription",
    }
