"""Machines, disks, availability sets, proximity placement groups."""

from errors import ArmError, bad, conflict
import arm_id
import catalog
from kinds import machine_rules
from kinds.kind import Kind, property_of


class VirtualMachine(Kind):
    type = "Microsoft.Compute/virtualMachines"
    model = reply_model = "compute.VirtualMachine"
    patch_model = "compute.VirtualMachineUpdate"
    slow = 2

    def validate(self, world, arm, body, old):
        machine_rules.check(world, arm, body, old)

    def patched(self, resource, patch):
        """Identities that a PATCH does not name stay, unless its type leaves no room for them."""
        body = super().patched(resource, patch)
        if "identity" in patch and "UserAssigned" not in body["identity"].get("type", ""):
            body["identity"].pop("userAssignedIdentities", None)
            if body["identity"].get("type") == "None":
                del body["identity"]
        return body

    def begun(self, world, resource, old):
        """The system disk is there as soon as the machine is."""
        storage = resource.properties["storageProfile"]
        disk = storage["osDisk"]
        size = disk.get("diskSizeGB", 30)
        disk.setdefault("osType", "Linux")
        disk.setdefault("deleteOption", "Detach")
        disk.setdefault("name", f"{resource.id.name}_OsDisk_1_{next(world.numbers):032x}")
        managed = disk.setdefault("managedDisk", {})
        managed.setdefault("storageAccountType", "Premium_LRS")
        text = f"{resource.id.text.split('/providers/')[0]}/providers/Microsoft.Compute/disks/{disk['name']}"
        managed["id"] = text
        if text.lower() not in world.resources:
            body = {
                "location": resource.body["location"],
                "sku": {"name": managed["storageAccountType"]},
                "properties": {
                    "diskSizeGB": size,
                    "osType": "Linux",
                    "creationData": {"createOption": "FromImage"},
                },
            }
            if resource.body.get("zones"):
                body["zones"] = resource.body["zones"]
            world.add(arm_id.parse(text), body)
        for data in storage.get("dataDisks") or []:
            data.setdefault("deleteOption", "Detach")
        resource.facts.setdefault("power", "starting")

    def complete(self, world, resource):
        if resource.facts.get("power") != "deallocated":
            resource.facts["power"] = "running"
        resource.facts.setdefault("vm_id", f"00000000-0000-4000-8000-{next(world.numbers):012d}")

    def decorate(self, world, resource, body):
        if "vm_id" in resource.facts:
            body["properties"]["vmId"] = resource.facts["vm_id"]
        for configuration in (property_of(body, "properties", "osProfile", "secrets") or []):
            configuration.pop("value", None)
        (body["properties"].get("osProfile") or {}).pop("customData", None)
        (body["properties"].get("osProfile") or {}).pop("adminPassword", None)
        body["properties"].pop("userData", None)

    def view(self, world, resource):
        """The instance view: what it does at the moment."""
        statuses = [{"code": f"ProvisioningState/{resource.state.lower()}", "level": "Info" if resource.state != "Failed" else "Error", "displayStatus": f"Provisioning {resource.state.lower()}"}]
        if resource.state == "Failed" and resource.facts.get("error"):
            error = resource.facts["error"]
            statuses[0]["code"] = f"ProvisioningState/failed/{error['code']}"
            statuses[0]["message"] = error["message"]
        if resource.facts.get("power"):
            statuses.append({"code": f"PowerState/{resource.facts['power']}", "level": "Info", "displayStatus": f"VM {resource.facts['power']}"})
        return {"statuses": statuses}

    def removed(self, world, resource):
        storage = resource.properties["storageProfile"]
        disks = [storage["osDisk"], *(storage.get("dataDisks") or [])]
        for disk in disks:
            if disk.get("deleteOption") == "Delete" and property_of(disk, "managedDisk", "id"):
                world.resources.pop(disk["managedDisk"]["id"].lower(), None)
        for nic in property_of(resource.body, "properties", "networkProfile", "networkInterfaces") or []:
            if property_of(nic, "properties", "deleteOption") == "Delete":
                world.resources.pop(nic["id"].lower(), None)

    def actions(self):
        return {"start": power("running"), "deallocate": power("deallocated"), "powerOff": power("stopped"), "restart": power("running")}


def power(state):
    def act(world, resource, _query):
        if resource.operation and not resource.operation.done:
            raise conflict("Conflict", "The request failed due to conflict with a concurrent request.")
        if state == "running" and resource.facts.get("power") == "deallocated":
            machine_rules.need_cores(world, resource.properties["hardwareProfile"]["vmSize"], None)

        def finish(operation):
            resource.facts["power"] = state

        if state == "deallocated":
            # Billing ends, and so does the use of the quota, as soon as it is accepted.
            resource.facts["power"] = "deallocating"
        return world.begin("action", finish)

    return act


class Disk(Kind):
    type = "Microsoft.Compute/disks"
    model = reply_model = "compute.Disk"
    patch_model = "compute.DiskUpdate"
    put, delete, has_etag = "accepted", "accepted", False

    def validate(self, world, arm, body, old):
        size = property_of(body, "properties", "diskSizeGB")
        option = property_of(body, "properties", "creationData", "createOption")
        if option == "Empty" and not size:
            raise bad("InvalidParameter", "Required parameter 'disk.diskSizeGB' is missing (null).")
        kind = property_of(body, "sku", "name") or "Standard_LRS"
        zones = body.get("zones") or []
        if not set(zones) <= set(catalog.REGIONS[body["location"]]) or len(zones) > 1:
            raise bad("InvalidAvailabilityZone", f"The zone(s) '{','.join(zones)}' for resource '{arm.name}' is not supported.")
        if kind in ("UltraSSD_LRS", "PremiumV2_LRS") and not zones and catalog.REGIONS[body["location"]]:
            raise bad("InvalidParameter", f"Disks of type {kind} must be in an availability zone.")
        tuned = property_of(body, "properties", "diskIOPSReadWrite")
        if tuned and kind not in ("UltraSSD_LRS", "PremiumV2_LRS"):
            raise bad("InvalidParameter", f"diskIOPSReadWrite can be set only on UltraSSD_LRS and PremiumV2_LRS disks, not {kind}.")
        if old:
            if size and size < old.properties["diskSizeGB"]:
                raise bad("ResizeDiskError", f"New disk size {size} GB is smaller than the old size {old.properties['diskSizeGB']} GB.")
            if (old.body.get("zones") or []) != zones:
                raise conflict("PropertyChangeNotAllowed", "Changing property 'zones' is not allowed.")

    def may_delete(self, world, resource):
        for user, _ in world.users_of(resource.id.text):
            if user.kind.type == "Microsoft.Compute/virtualMachines":
                raise conflict("OperationNotAllowed", f"Disk {resource.id.name} is attached to VM {user.id.text}.")

    def decorate(self, world, resource, body):
        body["properties"]["diskState"] = "Unattached"
        for user, _ in world.users_of(resource.id.text):
            if user.kind.type == "Microsoft.Compute/virtualMachines":
                body["managedBy"] = user.id.text
                body["properties"]["diskState"] = "Attached" if user.facts.get("power") != "deallocated" else "Reserved"


class PublicKey(Kind):
    type = "Microsoft.Compute/sshPublicKeys"
    model = reply_model = "compute.SshPublicKeyResource"
    patch_model = "compute.SshPublicKeyUpdateResource"
    put = delete = "sync"
    has_etag = has_state = False

    def validate(self, world, arm, body, old):
        key = property_of(body, "properties", "publicKey") or ""
        if key and key.split(" ")[0] not in ("ssh-rsa", "ssh-ed25519"):
            raise bad("InvalidParameter", "The value of parameter sshPublicKey.publicKey is invalid.")


class AvailabilitySet(Kind):
    type = "Microsoft.Compute/availabilitySets"
    model = reply_model = "compute.AvailabilitySet"
    patch_model = "compute.AvailabilitySetUpdate"
    put = delete = "sync"
    has_etag = has_state = False

    def validate(self, world, arm, body, old):
        if property_of(body, "properties", "platformFaultDomainCount") not in (1, 2, 3):
            raise bad("InvalidParameter", "The specified fault domain count must fall in the range 1 to 3.")
        if property_of(body, "sku", "name") != "Aligned":
            raise bad("InvalidParameter", "managed disks need an availability set with the sku Aligned")

    def may_delete(self, world, resource):
        for user, _ in world.users_of(resource.id.text):
            raise conflict("OperationNotAllowed", f"Availability Set '{resource.id.name}' cannot be deleted. Before deleting an Availability Set please ensure that it does not contain any VM: {user.id.text}.")


class ProximityPlacementGroup(Kind):
    type = "Microsoft.Compute/proximityPlacementGroups"
    model = reply_model = "compute.ProximityPlacementGroup"
    patch_model = "compute.ProximityPlacementGroupUpdate"
    put = delete = "sync"
    has_etag = has_state = False

    def may_delete(self, world, resource):
        for user, _ in world.users_of(resource.id.text):
            raise ArmError(409, "OperationNotAllowed", f"Proximity placement group '{resource.id.name}' cannot be deleted: in use by {user.id.text}.")


def kinds():
    return [VirtualMachine(), Disk(), PublicKey(), AvailabilitySet(), ProximityPlacementGroup()]
