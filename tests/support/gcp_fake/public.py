"""What belongs to Google, the project itself, and operations."""

import time

import catalogue
import filters
from errors import not_found
from store import BASE, Key

PAGE = 500


def _listing(call, type_name, items, path):
    kept, token = filters.page(filters.keep(call.one("filter"), items), call.query, PAGE)
    answer = {"kind": type_name, "id": path, "selfLink": f"{BASE}{path}"}
    if kept:
        answer["items"] = kept
    if token:
        answer["nextPageToken"] = token
    return answer


def project(call):
    networks = len(call.fake.store.of(call.project, "networks"))
    return {
        "kind": "compute#project",
        "id": "123456789012",
        "name": call.project,
        "selfLink": f"{BASE}projects/{call.project}",
        "creationTimestamp": "2026-01-01T00:00:00.000-08:00",
        "commonInstanceMetadata": {
            "kind": "compute#metadata",
            "fingerprint": "6bCXTFPyHrY=",
            "items": call.fake.settings["project_metadata"],
        },
        "defaultServiceAccount": "123456789012-compute@developer.gserviceaccount.com",
        "quotas": [{"metric": "NETWORKS", "limit": float(call.fake.settings["networks"]), "usage": float(networks)}],
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "defaultNetworkTier": "PREMIUM",
    }


def region(call):
    name = call.names["region"]
    if name not in catalogue.REGIONS:
        raise not_found(f"projects/{call.project}/regions/{name}")
    return catalogue.region_body(call.project, name, call.fake.quotas(call.project, name))


def regions(call):
    items = [
        catalogue.region_body(call.project, name, call.fake.quotas(call.project, name)) for name in catalogue.REGIONS
    ]
    return _listing(call, "compute#regionList", items, f"projects/{call.project}/regions")


def zone(call):
    name = call.names["zone"]
    if not catalogue.known_zone(name):
        raise not_found(f"projects/{call.project}/zones/{name}")
    return catalogue.zone_body(call.project, name)


def zones(call):
    items = [catalogue.zone_body(call.project, name) for name in call.fake.all_zones]
    return _listing(call, "compute#zoneList", items, f"projects/{call.project}/zones")


def machine_type(call):
    name, place = call.names["machineType"], call.names["zone"]
    if not catalogue.offered(name, place, call.fake.settings["missing_machine_types"]):
        raise not_found(Key(call.project, f"zones/{place}", "machineTypes", name).path)
    return catalogue.machine_body(call.project, place, name)


def machine_types(call):
    place = call.names["zone"]
    missing = call.fake.settings["missing_machine_types"]
    items = [
        catalogue.machine_body(call.project, place, name)
        for name in catalogue.machine_types()
        if catalogue.offered(name, place, missing)
    ]
    return _listing(call, "compute#machineTypeList", items, f"projects/{call.project}/zones/{place}/machineTypes")


def image(call):
    body = catalogue.image_body(call.project, call.names["image"])
    if body is None:
        raise not_found(Key(call.project, "global", "images", call.names["image"]).path)
    return body


def family(call):
    body = catalogue.image_body(call.project, call.names["family"], family=True)
    if body is None:
        raise not_found(f"projects/{call.project}/global/images/family/{call.names['family']}")
    return body


def operation(call):
    return call.fake.operations.get(call.project, call.scope, call.names["operation"]).body()


def wait(call):
    """Waits a while, and may answer with an operation that is not done."""
    found = call.fake.operations.get(call.project, call.scope, call.names["operation"])
    end = time.monotonic() + call.fake.settings["wait_seconds"]
    while found.ended is None and time.monotonic() < end:
        call.fake.lock.release()
        time.sleep(0.005)
        call.fake.lock.acquire()
        call.fake.operations.settle()
    return found.body()


def operations(call):
    items = call.fake.operations.listed(call.project, call.scope)
    return _listing(call, "compute#operationList", items, f"projects/{call.project}/{call.scope}/operations")


def all_operations(call):
    """Operations of every scope. Only those that the filter lets through count as looked at."""
    known = [one for key, one in call.fake.operations.all.items() if key[0] == call.project]
    chosen = filters.keep(call.one("filter"), [{"name": one.name, "targetLink": one.target} for one in known])
    names = {one["name"] for one in chosen}
    items = {}
    for one in known:
        if one.name in names:
            one.polls += 1
            items.setdefault(one.scope, {"operations": []})["operations"].append(one.body())
    path = f"projects/{call.project}/aggregated/operations"
    return {"kind": "compute#operationAggregatedList", "id": path, "selfLink": f"{BASE}{path}", "items": items}


def images(call):
    public = catalogue.IMAGES.get(call.project, {})
    items = [catalogue.image_body(call.project, name, family=True) for name in public]
    return _listing(call, "compute#imageList", items, f"projects/{call.project}/global/images")


METHODS = {
    "compute.globalOperations.aggregatedList": all_operations,
    "compute.images.list": images,
    "compute.projects.get": project,
    "compute.regions.get": region,
    "compute.regions.list": regions,
    "compute.zones.get": zone,
    "compute.zones.list": zones,
    "compute.machineTypes.get": machine_type,
    "compute.machineTypes.list": machine_types,
    "compute.images.get": image,
    "compute.images.getFromFamily": family,
}
for _scope in ("zone", "region", "global"):
    METHODS[f"compute.{_scope}Operations.get"] = operation
    METHODS[f"compute.{_scope}Operations.wait"] = wait
    METHODS[f"compute.{_scope}Operations.list"] = operations
