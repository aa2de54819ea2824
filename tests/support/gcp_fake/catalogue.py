"""What Google has for everybody: regions, zones, machine types, disk types, images."""

import re

from store import BASE, Key

REGIONS = {"europe-west4": "abc", "europe-west1": "bcd", "us-central1": "abcf", "europe-west9": "ab"}
# Memory in GiB per CPU, and the disks that a family takes.
FAMILIES = {
    "n1": {"standard": 3.75, "highcpu": 0.9, "highmem": 6.5, "quota": "CPUS", "disks": "pd"},
    "n2": {"standard": 4, "highcpu": 1, "highmem": 8, "quota": "N2_CPUS", "disks": "pd hyperdisk"},
    "n2d": {"standard": 4, "highcpu": 1, "highmem": 8, "quota": "N2D_CPUS", "disks": "pd hyperdisk"},
    "e2": {"standard": 4, "highcpu": 1, "highmem": 8, "quota": "CPUS", "disks": "pd"},
    "c3": {"standard": 4, "highcpu": 2, "highmem": 8, "quota": "C3_CPUS", "disks": "pd hyperdisk"},
    "n4": {"standard": 4, "highcpu": 2, "highmem": 8, "quota": "CPUS", "disks": "hyperdisk"},
    "c4a": {"standard": 4, "highcpu": 2, "highmem": 8, "quota": "CPUS", "disks": "hyperdisk", "arm": True},
    "t2a": {"standard": 4, "quota": "T2A_CPUS", "disks": "pd", "arm": True},
    "c2": {"standard": 4, "quota": "C2_CPUS", "disks": "pd"},
}
SIZES = {"c2": (4, 8, 16, 30, 60), "c3": (4, 8, 22, 44, 88, 176)}
USUAL = (1, 2, 4, 8, 16, 32, 48, 64, 80, 96, 128)
SHARED = {"e2-micro": (2, 1), "e2-small": (2, 2), "e2-medium": (2, 4), "f1-micro": (1, 0.6), "g1-small": (1, 1.7)}
DISK_TYPES = {"pd-standard": 10, "pd-balanced": 10, "pd-ssd": 10, "hyperdisk-balanced": 4, "hyperdisk-extreme": 64}
IMAGES = {
    "debian-cloud": {
        "debian-12": ("debian-12-bookworm-v20261020", "X86_64"),
        "debian-13": ("debian-13-trixie-v20261020", "X86_64"),
        "debian-12-arm64": ("debian-12-bookworm-arm64-v20261020", "ARM64"),
    },
    "ubuntu-os-cloud": {
        "ubuntu-2404-lts-amd64": ("ubuntu-2404-noble-amd64-v20261014", "X86_64"),
        "ubuntu-2404-lts-arm64": ("ubuntu-2404-noble-arm64-v20261014", "ARM64"),
        "ubuntu-2204-lts": ("ubuntu-2204-jammy-v20261014", "X86_64"),
    },
}


def region_of(zone):
    return zone.rsplit("-", 1)[0]


def zones(region):
    return [f"{region}-{letter}" for letter in REGIONS[region]]


def known_zone(zone):
    return region_of(zone) in REGIONS and zone in zones(region_of(zone))


def machine(name):
    """(CPUs, memory in MiB, family) of a machine type; none where there is no such type."""
    if name in SHARED:
        cpus, memory = SHARED[name]
        return cpus, int(memory * 1024), name.split("-")[0]
    found = re.fullmatch(r"(\w+)-(standard|highcpu|highmem)-(\d+)", name)
    if not found or found[1] not in FAMILIES or found[2] not in FAMILIES[found[1]]:
        return None
    cpus = int(found[3])
    if cpus not in SIZES.get(found[1], USUAL):
        return None
    return cpus, int(cpus * FAMILIES[found[1]][found[2]] * 1024), found[1]


def machine_types():
    names = list(SHARED)
    for family, has in FAMILIES.items():
        for kind in ("standard", "highcpu", "highmem"):
            names += [f"{family}-{kind}-{cpus}" for cpus in SIZES.get(family, USUAL) if kind in has]
    return names


def offered(name, zone, missing):
    return machine(name) is not None and known_zone(zone) and [name, zone] not in missing


def machine_body(project, zone, name):
    cpus, memory, family = machine(name)
    return {
        "kind": "compute#machineType",
        "id": str(abs(hash(name)) % 10**15),
        "name": name,
        "description": f"{cpus} vCPUs, {memory / 1024:g} GB RAM",
        "guestCpus": cpus,
        "memoryMb": memory,
        "maximumPersistentDisks": 128,
        "maximumPersistentDisksSizeGb": "263168",
        "zone": zone,
        "isSharedCpu": name in SHARED,
        "architecture": "ARM64" if FAMILIES[family].get("arm") else "X86_64",
        "selfLink": Key(project, f"zones/{zone}", "machineTypes", name).link,
    }


def image(project, name, family=False):
    """(name, architecture, family) of a public image."""
    for key, (full, architecture) in IMAGES.get(project, {}).items():
        if name == (key if family else full):
            return full, architecture, key
    return None


def image_body(project, name, family=False):
    found = image(project, name, family)
    if not found:
        return None
    full, architecture, key = found
    return {
        "kind": "compute#image",
        "id": str(abs(hash(full)) % 10**15),
        "name": full,
        "family": key,
        "status": "READY",
        "architecture": architecture,
        "diskSizeGb": "10",
        "archiveSizeBytes": "1200000000",
        "sourceType": "RAW",
        "creationTimestamp": "2026-10-14T10:00:00.000-07:00",
        "selfLink": Key(project, "global", "images", full).link,
        "guestOsFeatures": [{"type": "UEFI_COMPATIBLE"}, {"type": "GVNIC"}],
    }


def region_body(project, name, quotas):
    return {
        "kind": "compute#region",
        "id": str(1000 + list(REGIONS).index(name)),
        "name": name,
        "description": name,
        "status": "UP",
        "zones": [f"{BASE}projects/{project}/zones/{zone}" for zone in zones(name)],
        "quotas": quotas,
        "selfLink": Key(project, "", "regions", name).link,
    }


def zone_body(project, name):
    return {
        "kind": "compute#zone",
        "id": str(2000 + sum(map(ord, name))),
        "name": name,
        "description": name,
        "status": "UP",
        "region": f"{BASE}projects/{project}/regions/{region_of(name)}",
        "availableCpuPlatforms": ["Intel Ice Lake"],
        "selfLink": Key(project, "", "zones", name).link,
    }
