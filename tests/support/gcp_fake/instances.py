"""Instances: what an insert must have, how they start and stop, what may be changed when."""

import copy
import re

import catalogue
from compute import Kind
from disks import prepare_disk, refuse_attached
from errors import GoogleError, invalid, required
from networks import addresses_of, free_address
from store import BASE, Key, digest, key_of

TAG = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


class Instances(Kind):
    collection, type_name, singular, scopes = "instances", "compute#instance", "instance", "zones"
    labelled, fingerprinted = True, True

    def prepare(self, call, key, body):
        for name in ("machineType", "disks", "networkInterfaces"):
            if not body.get(name):
                raise required(f"resource.{name}")
        self._machine(call, key, body)
        check_tags(body.get("tags", {}).get("items", []))
        body["tags"] = {"items": sorted(body.get("tags", {}).get("items", []))}
        body["tags"]["fingerprint"] = digest(body["tags"])
        check_metadata(body.get("metadata", {}).get("items", []))
        body["metadata"] = {"kind": "compute#metadata", "items": body.get("metadata", {}).get("items", [])}
        body["metadata"]["fingerprint"] = digest(body["metadata"]["items"])
        self._accounts(call, body)
        self._policies(call, key, body)
        body["networkInterfaces"] = [interface(call, one, index) for index, one in enumerate(body["networkInterfaces"])]
        body["disks"] = self._disks(call, key, body)
        body.setdefault("deletionProtection", False)
        body.setdefault("canIpForward", False)
        body.setdefault("scheduling", {})
        body["scheduling"].setdefault("onHostMaintenance", "MIGRATE")
        body["scheduling"].setdefault("automaticRestart", True)
        body["scheduling"].setdefault("preemptible", False)
        body["scheduling"].setdefault("provisioningModel", "STANDARD")
        body.setdefault(
            "shieldedInstanceConfig", {"enableSecureBoot": False, "enableVtpm": True, "enableIntegrityMonitoring": True}
        )
        body.update(status="PROVISIONING", cpuPlatform="Unknown CPU Platform", startRestricted=False)

    def _machine(self, call, key, body):
        zone = key[1].split("/")[1]
        name = machine_type(call, body["machineType"], zone)
        body["machineType"] = Key(key[0], key[1], "machineTypes", name).link
        cpus, _, family = catalogue.machine(name)
        call.fake.check_cpus(key[0], catalogue.region_of(zone), family, cpus)

    def _accounts(self, call, body):
        accounts = body.get("serviceAccounts", [])
        if len(accounts) > 1:
            raise invalid("resource.serviceAccounts", len(accounts), "At most one service account.")
        for account in accounts:
            if account.get("email") not in call.fake.accounts(call.project):
                raise GoogleError(
                    400, "invalid", f"The resource '{account.get('email')}' of type 'serviceAccount' was not found."
                )
            if not account.get("scopes"):
                raise required("resource.serviceAccounts[0].scopes")

    def _policies(self, call, key, body):
        if len(body.get("resourcePolicies", [])) > 1:
            raise invalid("resource.resourcePolicies", "...", "At most one placement policy.")
        region = f"regions/{call.region}"
        body["resourcePolicies"] = [
            call.resolve(one, "resourcePolicies", region, "resource.resourcePolicies[0]").link
            for one in body.get("resourcePolicies", [])
        ]
        if not body["resourcePolicies"]:
            del body["resourcePolicies"]

    def _disks(self, call, key, body):
        disks, names, made = [], set(), {}
        for index, disk in enumerate(body["disks"]):
            field = f"resource.disks[{index}]"
            disk.setdefault("boot", False)
            if disk["boot"] != (index == 0):
                raise invalid(field, disk["boot"], "The first disk must be the boot disk, and no other.")
            disk.setdefault("deviceName", f"persistent-disk-{index}")
            if disk["deviceName"] in names:
                raise invalid(f"{field}.deviceName", disk["deviceName"], "Device names must differ.")
            names.add(disk["deviceName"])
            link = self._disk(call, key, body, disk, index, field, made)
            link = {
                "kind": "compute#attachedDisk",
                "type": "PERSISTENT",
                "mode": disk.get("mode", "READ_WRITE"),
                "source": link,
                "index": index,
                "boot": disk["boot"],
                "autoDelete": disk.get("autoDelete", False),
                "deviceName": disk["deviceName"],
                "interface": "SCSI",
            }
            source = key_of(link["source"])
            link["diskSizeGb"] = (made.get(source) or call.fake.store.get(source))["sizeGb"]
            disks.append(link)
        # Only when nothing is wrong with any of them.
        for new, disk in made.items():
            call.fake.store.add(new, disk)
        return disks

    def _disk(self, call, key, body, disk, index, field, all_made):
        if disk.get("source"):
            if disk.get("initializeParams"):
                raise invalid(field, "...", "Either source or initializeParams.")
            source = call.resolve(disk["source"], "disks", key[1], f"{field}.source")
            refuse_attached(call.fake, source)
            return source.link
        wanted = disk.get("initializeParams")
        if not wanted:
            raise required(f"{field}.initializeParams")
        name = wanted.get("diskName") or (body["name"] if index == 0 else f"{body['name']}-{index}")
        new = Key(key[0], key[1], "disks", name)
        if new in call.fake.store.resources:
            raise GoogleError(409, "alreadyExists", f"The resource '{new.path}' already exists")
        if index == 0 and not wanted.get("sourceImage"):
            raise required(f"{field}.initializeParams.sourceImage")
        made = {
            "name": name,
            "kind": "compute#disk",
            "labels": wanted.get("labels", {}),
            "sizeGb": wanted.get("diskSizeGb"),
            "type": wanted.get("diskType"),
        }
        for name in ("provisionedIops", "provisionedThroughput"):
            if wanted.get(name):
                made[name] = wanted[name]
        if disk.get("diskEncryptionKey"):
            made["diskEncryptionKey"] = disk["diskEncryptionKey"]
        prepare_disk(call, new, made, wanted.get("sourceImage"), f"{field}.initializeParams")
        family = catalogue.machine(body["machineType"].split("/")[-1])[2]
        needs = made["type"].split("/")[-1].split("-")[0]
        if needs not in catalogue.FAMILIES[family]["disks"].split():
            raise GoogleError(
                400,
                "badRequest",
                f"[{made['type'].split('/')[-1]}] features are not compatible for creating instance with machine type {family}.",
            )
        if index == 0 and (made["architecture"] == "ARM64") != bool(catalogue.FAMILIES[family].get("arm")):
            raise GoogleError(
                400,
                "badRequest",
                f"Requested boot disk architecture ({made['architecture']}) is not compatible with machine type {body['machineType'].split('/')[-1]}.",
            )
        made.update(
            id=call.fake.store.number(),
            creationTimestamp="2026-11-25T00:00:00.000-08:00",
            labelFingerprint=digest(made["labels"]),
            zone=f"{BASE}projects/{key[0]}/{key[1]}",
        )
        all_made[new] = made
        return new.link

    def ready(self, fake, key, body):
        body.update(status="RUNNING", cpuPlatform="Intel Ice Lake")
        for disk in body["disks"]:
            fake.store.resources[key_of(disk["source"])]["status"] = "READY"

    def undone(self, fake, key, body):
        for disk in body["disks"]:
            one = key_of(disk["source"])
            if fake.store.resources.get(one, {}).get("status") == "CREATING":
                fake.store.remove(one)

    def may_delete(self, fake, key, body):
        if body["deletionProtection"]:
            raise GoogleError(
                412,
                "conditionNotMet",
                f"Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. Instance: {key.path}'.",
            )

    def deleting(self, fake, key, body):
        body["status"] = "STOPPING"

    def deleted(self, fake, key, body):
        for disk in body["disks"]:
            if disk["autoDelete"]:
                fake.store.remove(key_of(disk["source"]))
        for _, group in fake.store.of(key[0], "instanceGroups"):
            group["members"] = [one for one in group["members"] if one != key.link]

    def seen(self, fake, key, body):
        if body["status"] == "PROVISIONING" and key in fake.store.pending and fake.store.pending[key].polls > 0:
            body["status"] = "STAGING"
        for disk in body["disks"]:
            disk["diskSizeGb"] = fake.store.resources.get(key_of(disk["source"]), disk).get(
                "sizeGb", disk["diskSizeGb"]
            )
        return body


def machine_type(call, text, zone):
    missing = call.fake.settings["missing_machine_types"]
    key = call.resolve(
        text,
        "machineTypes",
        f"zones/{zone}",
        "resource.machineType",
        lambda one: catalogue.offered(one[3], zone, missing),
    )
    return key[3]


def interface(call, wanted, index):
    field = f"resource.networkInterfaces[{index}]"
    if not wanted.get("subnetwork"):
        raise required(f"{field}.subnetwork")
    region = f"regions/{call.region}"
    subnet = call.resolve(wanted["subnetwork"], "subnetworks", region, f"{field}.subnetwork")
    body = {
        "kind": "compute#networkInterface",
        "name": f"nic{index}",
        "stackType": "IPV4_ONLY",
        "subnetwork": subnet.link,
    }
    body["network"] = call.fake.store.get(subnet)["network"]
    reserved = [one["address"] for _, one in call.fake.store.of(call.project, "addresses", region)]
    address = wanted.get("networkIP")
    if not address or address not in reserved or _used(call.fake, call.project, address):
        address = free_address(call.fake, subnet, address)
    body["networkIP"] = address
    if wanted.get("accessConfigs"):
        config = copy.deepcopy(wanted["accessConfigs"][0])
        if call.fake.settings["external_addresses_forbidden"]:
            raise GoogleError(
                412,
                "conditionNotMet",
                f"Constraint constraints/compute.vmExternalIpAccess violated for project {call.project}. Add instance to the constraint to use external IP with it.",
            )
        given = config.get("natIP")
        if given and given not in reserved:
            raise invalid(
                f"{field}.accessConfigs[0].natIP",
                given,
                "The specified external IP address was not found in the region.",
            )
        if given and _used(call.fake, call.project, given):
            raise GoogleError(
                400, "resourceInUseByAnotherResource", f"External IP address '{given}' is already in use."
            )
        config["natIP"] = given or call.fake.external_address()
        config.update(kind="compute#accessConfig", type="ONE_TO_ONE_NAT")
        config.setdefault("name", "External NAT")
        config.setdefault("networkTier", "PREMIUM")
        used = [
            one
            for _, one in call.fake.store.of(call.project, "instances")
            if one["networkInterfaces"][0].get("accessConfigs")
        ]
        call.fake.check_quota(call.project, call.region, "IN_USE_ADDRESSES", len(used) + 1)
        body["accessConfigs"] = [config]
    return body


def _used(fake, project, address):
    return any(address in set(addresses_of(key, one)) for key, one in fake.store.resources.items() if key[0] == project)


def check_tags(items):
    for tag in items:
        if not TAG.fullmatch(tag):
            raise invalid(
                "resource.tags.items[0]", tag, "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'"
            )
    if len(items) > 64:
        raise invalid("resource.tags.items", len(items), "At most 64 tags.")


def check_metadata(items):
    keys = [item.get("key") for item in items]
    if len(keys) != len(set(keys)) or not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", key or "") for key in keys):
        raise invalid("resource.metadata.items", keys, "Keys must differ and be of letters, digits, _ and -.")
    if sum(len(item.get("value", "")) for item in items) > 512 * 1024:
        raise invalid("resource.metadata.items", "...", "At most 512 KiB.")


KINDS = [Instances()]
