"""Storage accounts and their blob containers."""

import re

import catalog
from errors import bad, conflict
from kinds.kind import Kind

# Names that somebody else in the world already took.
TAKEN = {"taken", "backup", "gitlab"}


class StorageAccount(Kind):
    type = "Microsoft.Storage/storageAccounts"
    model = "storage.StorageAccountCreateParameters"
    patch_model = "storage.StorageAccountUpdateParameters"
    reply_model = "storage.StorageAccount"
    put, delete, has_etag = "accepted", "sync", False
    slow = 2

    def validate(self, world, arm, body, old):
        if not re.fullmatch("[a-z0-9]{3,24}", arm.name):
            raise bad("AccountNameInvalid", f"{arm.name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.")
        elsewhere = any(
            other.kind is self and other.id.name == arm.name and other.id.key != arm.key
            for other in world.resources.values()
        )
        if arm.name in TAKEN or elsewhere:
            raise conflict("StorageAccountAlreadyTaken", f"The storage account named {arm.name} is already taken.")
        if body["location"] not in catalog.REGIONS:
            raise bad("LocationNotAvailableForResourceType", f"The provided location '{body['location']}' is not available for resource type 'Microsoft.Storage/storageAccounts'.")
        if old and (old.body["location"] != body["location"] or old.body["kind"] != body["kind"]):
            raise conflict("StorageAccountPropertyCannotBeUpdated", "location and kind of an account cannot be changed.")

    def reply(self, world, resource):
        body = super().reply(world, resource)
        body["sku"]["tier"] = body["sku"]["name"].split("_")[0]
        body["properties"]["primaryEndpoints"] = {"blob": f"https://{resource.id.name}.blob.core.windows.net/"}
        body["properties"]["primaryLocation"] = body["location"]
        return body

    def removed(self, world, resource):
        for inside in world.inside(resource.id.text):
            world.resources.pop(inside.id.key, None)


class BlobContainer(Kind):
    type = "Microsoft.Storage/storageAccounts/blobServices/containers"
    model = patch_model = reply_model = "storage.BlobContainer"
    put = delete = "sync"
    has_location = has_state = has_tags = False

    def validate(self, world, arm, body, old):
        account = world.find(arm.parent.parent)
        if account is None:
            raise bad("ParentResourceNotFound", f"Failed to perform 'write' on resource(s) of type 'storageAccounts/blobServices/containers', because the parent resource '{arm.parent.parent.text}' could not be found.")
        if account.state != "Succeeded":
            raise conflict("StorageAccountIsNotProvisioned", "The property cannot be accessed: the account is not provisioned yet.")
        if not re.fullmatch(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", arm.name):
            raise bad("ContainerNameInvalid", f"{arm.name} is not a valid container name")
        wanted = (body.get("properties") or {}).get("publicAccess", "None")
        if wanted != "None" and not account.properties.get("allowBlobPublicAccess"):
            raise conflict("PublicAccessNotPermitted", "Public access is not permitted on this storage account.")


def kinds():
    return [StorageAccount(), BlobContainer()]
