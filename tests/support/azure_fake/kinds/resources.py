"""Resource groups and locks."""

from errors import ArmError, bad
import catalog
from kinds.kind import Kind, property_of


class ResourceGroup(Kind):
    type = "Microsoft.Resources/resourceGroups"
    model = reply_model = "resources.ResourceGroup"
    patch_model = "resources.ResourceGroupPatchable"
    put, delete, has_etag = "sync", "location", False
    slow = 3

    def validate(self, world, arm, body, old):
        if body["location"] not in catalog.REGIONS:
            raise bad(
                "LocationNotAvailableForResourceGroup",
                f"The provided location '{body['location']}' is not available for resource group.",
            )
        if old and old.body["location"] != body["location"]:
            raise ArmError(
                409,
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{body['location']}'. The Resource group already exists in location "
                f"'{old.body['location']}'.",
            )

    def removed(self, world, resource):
        for inside in world.inside(resource.id.text):
            world.resources.pop(inside.id.key, None)


class Lock(Kind):
    type = "Microsoft.Authorization/locks"
    model = reply_model = "locks.ManagementLockObject"
    put = delete = "sync"
    has_location = has_etag = has_state = has_tags = False

    def validate(self, world, arm, body, old):
        scope = arm.scope.lower()
        if scope.count("/") > 2 and scope not in world.resources:
            raise ArmError(404, "ResourceNotFound", f"The Resource '{arm.scope}' was not found.")
        if property_of(body, "properties", "level") not in ("CanNotDelete", "ReadOnly"):
            raise bad("InvalidLockLevel", "the lock level must be CanNotDelete or ReadOnly")


def kinds():
    return [ResourceGroup(), Lock()]
