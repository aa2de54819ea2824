"""What Azure refuses of a virtual machine before it starts to make it."""

import base64

import catalog
from errors import ArmError, bad, conflict
from kinds.kind import property_of

FORBIDDEN_USERS = {"root", "admin", "administrator", "user", "test", "guest", "sys", "backup", "console", "support"}
FIXED = (
    ("zones",),
    ("properties", "availabilitySet"),
    ("properties", "osProfile"),
    ("properties", "storageProfile", "imageReference"),
    ("properties", "proximityPlacementGroup"),
)


def check(world, arm, body, old):
    location = body["location"]
    if location not in catalog.REGIONS:
        raise bad("LocationNotAvailableForResourceType", f"The provided location '{location}' is not available for resource type 'Microsoft.Compute/virtualMachines'.")
    properties = body.get("properties") or {}
    size = property_of(properties, "hardwareProfile", "vmSize")
    if size not in catalog.SIZES:
        raise bad("InvalidParameter", f"The value {size} provided for the VM size is not valid.")
    zones = body.get("zones") or []
    need_zone(arm, location, zones)
    need_size(world, location, size, zones)
    if old:
        need_fixed(arm, body, old)
        need_stopped_for_size(arm, size, old)
    else:
        need_user(properties.get("osProfile"))
        need_image(world, properties)
    need_identities(world, body)
    need_interfaces(world, arm, properties)
    need_disks(world, arm, body, size)
    if zones and property_of(properties, "availabilitySet", "id"):
        raise bad("BadRequest", "Virtual Machine cannot be created because both Availability Zone and Availability Set were specified.")
    previous = old and property_of(old.body, "properties", "hardwareProfile", "vmSize")
    need_cores(world, size, previous if not old or old.facts.get("power") != "deallocated" else None, old)


def need_zone(arm, location, zones):
    if len(zones) > 1 or not set(zones) <= set(catalog.REGIONS[location]):
        raise bad("InvalidAvailabilityZone", f"The zone(s) '{','.join(zones)}' for resource '{arm.name}' is not supported. The supported zones for location '{location}' are '{','.join(catalog.REGIONS[location])}'")


def need_size(world, location, size, zones):
    denied = world.settings["restricted"].get(size)
    if denied == "all" or (denied and zones and zones[0] in denied):
        where = f"zone '{zones[0]}' of location '{location}'" if denied != "all" else f"location '{location}'"
        raise conflict("SkuNotAvailable", f"The requested VM size {size} is currently not available in {where}. Please try another size or deploy to a different location or different zone. See https://aka.ms/azureskunotavailable for details.")


def need_fixed(arm, body, old):
    for path in FIXED:
        wanted, there = property_of(body, *path), property_of(old.body, *path)
        if path == ("properties", "osProfile"):
            # What is never given back cannot be sent again.
            wanted = wanted and {key: value for key, value in wanted.items() if key not in ("customData", "adminPassword")}
            there = there and {key: value for key, value in there.items() if key not in ("customData", "adminPassword")}
        if wanted is not None and wanted != there:
            raise conflict("PropertyChangeNotAllowed", f"Changing property '{'.'.join(path)}' is not allowed.")


def need_stopped_for_size(arm, size, old):
    there = property_of(old.body, "properties", "hardwareProfile", "vmSize")
    if size != there and old.facts.get("power") not in ("deallocated", None) and old.state == "Succeeded":
        raise conflict("OperationNotAllowed", f"Unable to resize the VM {arm.name} since the requested size {size} is not available in the current hardware cluster. The available sizes in this cluster are: {there}. Deallocate the VM to resize it.")


def need_user(profile):
    if not profile:
        raise bad("InvalidParameter", "Required parameter 'osProfile' is missing (null).")
    user = profile.get("adminUsername", "")
    if not user or user.lower() in FORBIDDEN_USERS:
        raise bad("InvalidParameter", f"The Admin Username specified is not allowed: '{user}'.")
    if not 1 <= len(profile.get("computerName", "")) <= 64:
        raise bad("InvalidParameter", "computerName must have 1 to 64 characters.")
    linux = profile.get("linuxConfiguration") or {}
    keys = property_of(linux, "ssh", "publicKeys") or []
    if not linux.get("disablePasswordAuthentication") and not profile.get("adminPassword"):
        raise bad("InvalidParameter", "Authentication using either SSH or by user name and password must be enabled in Linux profile.")
    if linux.get("disablePasswordAuthentication") and not keys:
        raise bad("InvalidParameter", "The SSH public key is missing.")
    for key in keys:
        if key.get("path") != f"/home/{user}/.ssh/authorized_keys":
            raise bad("InvalidParameter", f"Destination path for SSH public keys is currently limited to its default value /home/{user}/.ssh/authorized_keys.")
        if key.get("keyData", "").split(" ")[0] not in ("ssh-rsa", "ssh-ed25519"):
            raise bad("InvalidParameter", "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.")
    if profile.get("customData") is not None:
        try:
            base64.b64decode(profile["customData"], validate=True)
        except ValueError:
            raise bad("InvalidParameter", "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.")


def need_image(world, properties):
    image = property_of(properties, "storageProfile", "imageReference")
    if not image:
        raise bad("InvalidParameter", "Required parameter 'imageReference' is missing (null).")
    if image.get("id"):
        return
    known = catalog.IMAGES.get((image.get("publisher", "").lower(), image.get("offer", "").lower(), image.get("sku", "").lower()))
    if known is None:
        raise ArmError(404, "PlatformImageNotFound", f"The platform image '{image.get('publisher')}:{image.get('offer')}:{image.get('sku')}:{image.get('version')}' is not available. Verify that all fields in the storage profile are correct.")
    generation, _, plan = known
    security = properties.get("securityProfile") or {}
    if security.get("securityType") == "TrustedLaunch" and generation != "V2":
        raise bad("BadRequest", "Security type 'TrustedLaunch' is supported only with Generation 2 images.")
    if plan and world.settings["unaccepted_terms"]:
        raise bad("MarketplacePurchaseEligibilityFailed", "Legal terms have not been accepted for this item on this subscription.")


def need_identities(world, body):
    identity = body.get("identity") or {}
    assigned = identity.get("userAssignedIdentities") or {}
    if bool(assigned) != ("UserAssigned" in identity.get("type", "")):
        raise bad("InvalidIdentityType", f"The identity type '{identity.get('type')}' does not go with {len(assigned)} user-assigned identities.")
    for text in assigned:
        found = world.resources.get(text.lower())
        if found is None or found.kind.type != "Microsoft.ManagedIdentity/userAssignedIdentities":
            raise bad("FailedIdentityOperation", f"Identity operation failed: resource '{text}' was not found or is no user-assigned identity.")


def need_interfaces(world, arm, properties):
    nics = property_of(properties, "networkProfile", "networkInterfaces") or []
    if not nics:
        raise bad("InvalidParameter", "Required parameter 'networkProfile.networkInterfaces' is missing.")
    for nic in nics:
        for user, _ in world.users_of(nic.get("id", "")):
            if user.kind.type == "Microsoft.Compute/virtualMachines" and user.id.key != arm.key:
                raise bad("NicInUse", f"Network Interface {nic['id']} is used by existing resource {user.id.text}.")


def need_disks(world, arm, body, size):
    properties = body["properties"]
    storage = properties.get("storageProfile") or {}
    kind = property_of(storage, "osDisk", "managedDisk", "storageAccountType") or ""
    capabilities = catalog.SIZES[size][4]
    data = storage.get("dataDisks") or []
    size_gb = property_of(storage, "osDisk", "diskSizeGB")
    if size_gb is not None and size_gb < 30:
        raise bad("InvalidParameter", f"The specified disk size {size_gb} GB is smaller than the size of the corresponding disk in the VM image: 30 GB.")
    if kind.startswith(("UltraSSD", "PremiumV2")):
        raise bad("InvalidParameter", f"Storage account type {kind} is not supported for OS disks.")
    if len(data) > catalog.SIZES[size][3]:
        raise conflict("OperationNotAllowed", f"The maximum number of data disks allowed to be attached to a VM of this size is {catalog.SIZES[size][3]}.")
    if len({disk["lun"] for disk in data}) != len(data):
        raise bad("InvalidParameter", "data disks must have different LUNs")
    kinds = [kind]
    for disk in data:
        target = property_of(disk, "managedDisk", "id")
        if disk["createOption"] == "Attach":
            found = world.resources.get((target or "").lower())
            if found is None:
                raise ArmError(404, "ResourceNotFound", f"Disk {target} was not found.")
            if (found.body.get("zones") or []) != (body.get("zones") or []):
                raise bad("BadRequest", f"Disk {target} cannot be attached to the VM because it is not in zone '{','.join(body.get('zones') or [])}'.")
            for user, _ in world.users_of(target):
                if user.id.key != arm.key and user.kind.type == "Microsoft.Compute/virtualMachines":
                    raise conflict("AttachDiskWhileBeingDetached", f"Disk {target} is attached to VM {user.id.text}.")
            kinds.append(property_of(found.body, "sku", "name") or "")
    if any(one.startswith("Premium") for one in kinds) and capabilities.get("PremiumIO") != "True":
        raise bad("InvalidParameter", f"Requested operation cannot be performed because the VM size {size} does not support the storage account type Premium_LRS.")
    if "UltraSSD_LRS" in kinds:
        if not property_of(properties, "additionalCapabilities", "ultraSSDEnabled"):
            raise conflict("InvalidParameter", "StorageAccountType UltraSSD_LRS can be used only when additionalCapabilities.ultraSSDEnabled is set.")
        if capabilities.get("UltraSSDAvailable") != "True":
            raise bad("InvalidParameter", f"The VM size {size} does not support UltraSSD_LRS.")


def need_cores(world, size, previous, old=None):
    family, cpus = catalog.SIZES[size][:2]
    before = catalog.SIZES[previous][1] if previous else 0
    if old is not None and old.facts.get("power") == "deallocated":
        return
    limits = ((None, "Total Regional Cores", world.settings["cores"]), (family, f"{family} Cores", world.settings["family_cores"].get(family)))
    for which, words, limit in limits:
        if limit is not None and world.cores_used(which) - before + cpus > limit:
            raise conflict("OperationNotAllowed", f"Operation could not be completed as it results in exceeding approved {words} quota. Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: {limit}, Current Usage: {world.cores_used(which)}, Additional Required: {cpus}, (Minimum) New Limit Required: {world.cores_used(which) + cpus}.")
