"""Persistent disks and hyperdisks."""

import catalogue
from compute import Kind, change
from errors import in_use, invalid
from store import Key


class Disks(Kind):
    collection, type_name, singular, scopes = "disks", "compute#disk", "disk", "zones"
    labelled = True

    def prepare(self, call, key, body):
        source = call.one("sourceImage") or body.get("sourceImage")
        prepare_disk(call, key, body, source, "resource")

    def ready(self, fake, key, body):
        body["status"] = "READY"


def prepare_disk(call, key, body, source, field):
    """Checks what a disk is made of and fills in the rest. Used for disks of their own and those of instances."""
    image = None
    if source:
        image = image_of(call, source, f"{field}.sourceImage")
        body["sourceImage"] = image["selfLink"]
        body["architecture"] = image["architecture"]
    zone = key[1].split("/")[1]
    text = body.get("type") or f"zones/{zone}/diskTypes/pd-standard"
    kind = disk_type(call, text, zone, f"{field}.type")
    body["type"] = Key(key[0], key[1], "diskTypes", kind).link
    size = int(body.get("sizeGb") or (image or {}).get("diskSizeGb") or 500)
    if image and size < int(image["diskSizeGb"]):
        raise invalid(
            f"{field}.sizeGb",
            size,
            f"Requested disk size cannot be smaller than the image size ({image['diskSizeGb']} GB)",
        )
    if not catalogue.DISK_TYPES[kind] <= size <= 65536:
        raise invalid(f"{field}.sizeGb", size, f"Disks of type {kind} have {catalogue.DISK_TYPES[kind]} to 65536 GB.")
    for name in ("provisionedIops", "provisionedThroughput"):
        if body.get(name) and not kind.startswith("hyperdisk"):
            raise invalid(f"{field}.{name}", body[name], f"Not for disks of type {kind}.")
    metric = "SSD_TOTAL_GB" if kind != "pd-standard" else "DISKS_TOTAL_GB"
    body.update(sizeGb=str(size), status="CREATING")
    body.setdefault("physicalBlockSizeBytes", "4096")
    region = catalogue.region_of(zone)
    call.fake.check_quota(key[0], region, metric, size + call.fake.disk_usage(key[0], region, metric))


def disk_type(call, text, zone, field):
    key = call.resolve(
        text if "/" in text else "x/x", "diskTypes", f"zones/{zone}", field, lambda one: one[3] in catalogue.DISK_TYPES
    )
    return key[3]


def image_of(call, text, field):
    """The public image that a reference means."""
    path = text.split("/compute/v1/")[-1].split("projects/")[-1].split("/")
    if len(path) < 4 or path[1:3] != ["global", "images"]:
        raise invalid(field, text, "The URL is malformed.")
    found = catalogue.image_body(path[0], path[-1], family=path[3] == "family")
    if not found:
        raise invalid(field, text, "The referenced image resource cannot be found.")
    return found


def resize(kind, call):
    key = call.key(kind.singular)
    body = call.fake.store.get(key)
    size = int(call.body.get("sizeGb") or 0)
    if size <= int(body["sizeGb"]) and not call.fake.operations.repeated(
        call.project, call.method.id, key.link, call.one("requestId")
    ):
        raise invalid(
            "sizeGb", size, f"New disk size '{size}' GiB must be larger than existing size '{body['sizeGb']}' GiB."
        )
    return change(call, key, lambda body, really: body.update(sizeGb=str(size)) if really else None)


def refuse_attached(fake, key, user=None):
    """A disk is written by one instance at a time."""
    users = [other for other in fake.store.users_of(key) if other != user]
    if users:
        raise in_use(key.path, users[0].path)


KINDS = [Disks()]
VERBS = {"compute.disks.resize": resize}
