"""Acts on instances: start, stop, machine type, tags, metadata, disks, protection."""

import catalogue
from compute import change
from disks import refuse_attached
from errors import GoogleError, fingerprint, invalid, required
from instances import check_metadata, check_tags, machine_type
from store import Key, digest


def _must_be(body, key, *states):
    if body["status"] not in states:
        raise GoogleError(
            400, "resourceNotReady", f"The instance '{key.path}' is {body['status']}; it must be {' or '.join(states)}."
        )


def start(kind, call):
    key = call.key(kind.singular)

    def act(body, really):
        if really:
            body["status"] = "RUNNING"
            return
        _must_be(body, key, "TERMINATED", "RUNNING")
        if body["status"] == "TERMINATED":
            cpus, _, family = catalogue.machine(body["machineType"].split("/")[-1])
            call.fake.check_cpus(key[0], call.region, family, cpus)
            body["status"] = "STAGING"

    return change(call, key, act)


def stop(kind, call):
    key = call.key(kind.singular)

    def act(body, really):
        if really:
            body["status"] = "TERMINATED"
            return
        _must_be(body, key, "RUNNING", "TERMINATED")
        body["status"] = "STOPPING" if body["status"] == "RUNNING" else body["status"]

    return change(call, key, act)


def set_machine_type(kind, call):
    key = call.key(kind.singular)
    if not call.body.get("machineType"):
        raise required("machineType")
    name = machine_type(call, call.body["machineType"], call.place)

    def act(body, really):
        _must_be(body, key, "TERMINATED")
        old, new = (catalogue.machine(one)[2] for one in (body["machineType"].split("/")[-1], name))
        if catalogue.FAMILIES[old].get("arm") != catalogue.FAMILIES[new].get("arm"):
            raise GoogleError(400, "badRequest", f"The boot disk's architecture does not go with {name}.")
        if really:
            body["machineType"] = Key(key[0], key[1], "machineTypes", name).link

    return change(call, key, act)


def set_tags(kind, call):
    key = call.key(kind.singular)
    check_tags(call.body.get("items", []))

    def act(body, really):
        if not really and call.body.get("fingerprint") != body["tags"]["fingerprint"]:
            raise fingerprint("tags")
        if really:
            body["tags"] = {"items": sorted(call.body.get("items", []))}
            body["tags"]["fingerprint"] = digest(body["tags"])

    return change(call, key, act)


def set_metadata(kind, call):
    key = call.key(kind.singular)
    check_metadata(call.body.get("items", []))

    def act(body, really):
        if not really and call.body.get("fingerprint") != body["metadata"]["fingerprint"]:
            raise fingerprint("metadata")
        if really:
            items = call.body.get("items", [])
            body["metadata"] = {"kind": "compute#metadata", "items": items, "fingerprint": digest(items)}

    return change(call, key, act)


def set_service_account(kind, call):
    key, email = call.key(kind.singular), call.body.get("email")
    if email and email not in call.fake.accounts(call.project):
        raise GoogleError(400, "invalid", f"The resource '{email}' of type 'serviceAccount' was not found.")

    def act(body, really):
        _must_be(body, key, "TERMINATED")
        if really:
            body["serviceAccounts"] = [{"email": email, "scopes": call.body.get("scopes", [])}] if email else []

    return change(call, key, act)


def add_resource_policies(kind, call):
    key, wanted = call.key(kind.singular), call.body.get("resourcePolicies", [])
    found = [
        call.resolve(one, "resourcePolicies", f"regions/{call.region}", "resourcePolicies[0]").link for one in wanted
    ]

    def act(body, really):
        _must_be(body, key, "TERMINATED")
        if len(body.get("resourcePolicies", []) + found) > 1:
            raise invalid("resourcePolicies", "...", "At most one placement policy.")
        if really:
            body["resourcePolicies"] = found

    return change(call, key, act)


def remove_resource_policies(kind, call):
    key = call.key(kind.singular)
    names = [one.split("/")[-1] for one in call.body.get("resourcePolicies", [])]

    def act(body, really):
        _must_be(body, key, "TERMINATED")
        there = body.get("resourcePolicies", [])
        if any(name not in [link.split("/")[-1] for link in there] for name in names):
            raise invalid("resourcePolicies", names, "The instance has no such policy.")
        if really:
            kept = [link for link in there if link.split("/")[-1] not in names]
            body.pop("resourcePolicies", None)
            if kept:
                body["resourcePolicies"] = kept

    return change(call, key, act)


def set_deletion_protection(kind, call):
    protect = call.one("deletionProtection") != "false"
    return change(
        call, call.key(kind.singular), lambda body, really: body.update(deletionProtection=protect) if really else None
    )


def attach_disk(kind, call):
    key, wanted = call.key(kind.singular), call.body
    if not wanted.get("source"):
        raise required("source")
    source = call.resolve(wanted["source"], "disks", key[1], "source")

    def act(body, really):
        if really:
            index = len(body["disks"])
            body["disks"].append(
                {
                    "kind": "compute#attachedDisk",
                    "type": "PERSISTENT",
                    "mode": wanted.get("mode", "READ_WRITE"),
                    "source": source.link,
                    "index": index,
                    "boot": False,
                    "interface": "SCSI",
                    "autoDelete": wanted.get("autoDelete", False),
                    "deviceName": wanted.get("deviceName", f"persistent-disk-{index}"),
                    "diskSizeGb": call.fake.store.get(source)["sizeGb"],
                }
            )
            return
        if any(disk["source"] == source.link for disk in body["disks"]):
            raise GoogleError(400, "resourceInUseByAnotherResource", f"The disk '{source.path}' is attached already.")
        refuse_attached(call.fake, source, key)
        if any(disk["deviceName"] == wanted.get("deviceName") for disk in body["disks"]):
            raise invalid("deviceName", wanted["deviceName"], "The device name is used already.")

    return change(call, key, act)


def detach_disk(kind, call):
    key, name = call.key(kind.singular), call.one("deviceName")

    def act(body, really):
        found = [disk for disk in body["disks"] if disk["deviceName"] == name]
        if not found:
            raise invalid("deviceName", name, f"No attached disk found with device name '{name}'")
        if found[0]["boot"]:
            _must_be(body, key, "TERMINATED")
        if really:
            body["disks"].remove(found[0])

    return change(call, key, act)


def guest_attributes(kind, call):
    """What a machine's agent tells, if it may: here the host key of every machine that runs."""
    key = call.key(kind.singular)
    body = call.fake.store.get(key)
    items = {item["key"]: item["value"] for item in body["metadata"]["items"]}
    if items.get("enable-guest-attributes") != "TRUE" or body["status"] != "RUNNING":
        raise GoogleError(404, "notFound", f"The resource 'hostkeys/' of '{key.path}' was not found")
    value = {"namespace": "hostkeys", "key": "ssh-ed25519", "value": "AAAAC3NzaC1lZDI1NTE5AAAAI" + digest(key.path)}
    return {
        "kind": "compute#guestAttributes",
        "queryPath": "hostkeys/",
        "queryValue": {"items": [value]},
        "selfLink": f"{key.link}/guestAttributes",
    }


VERBS = {
    "compute.instances.getGuestAttributes": guest_attributes,
    "compute.instances.start": start,
    "compute.instances.stop": stop,
    "compute.instances.setMachineType": set_machine_type,
    "compute.instances.setTags": set_tags,
    "compute.instances.setMetadata": set_metadata,
    "compute.instances.setServiceAccount": set_service_account,
    "compute.instances.addResourcePolicies": add_resource_policies,
    "compute.instances.removeResourcePolicies": remove_resource_policies,
    "compute.instances.setDeletionProtection": set_deletion_protection,
    "compute.instances.attachDisk": attach_disk,
    "compute.instances.detachDisk": detach_disk,
}
