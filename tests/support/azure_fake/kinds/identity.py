"""User-assigned identities, and what they may do."""

import uuid

import catalog
from errors import ArmError, bad, conflict
from kinds.kind import Kind


class UserAssignedIdentity(Kind):
    type = "Microsoft.ManagedIdentity/userAssignedIdentities"
    model = reply_model = "msi.Identity"
    patch_model = "msi.IdentityUpdate"
    put = delete = "sync"
    has_etag = has_state = False

    def complete(self, world, resource):
        made = resource.facts.setdefault("ids", (str(uuid.uuid4()), str(uuid.uuid4())))
        world.born.setdefault(made[0], world.now())

    def decorate(self, world, resource, body):
        from world import TENANT

        principal, client = resource.facts["ids"]
        body["properties"] = {"tenantId": TENANT, "principalId": principal, "clientId": client}


class RoleAssignment(Kind):
    type = "Microsoft.Authorization/roleAssignments"
    model = "authorization.RoleAssignmentCreateParameters"
    reply_model = "authorization.RoleAssignment"
    put = delete = "sync"
    has_location = has_etag = has_state = has_tags = False

    def validate(self, world, arm, body, old):
        try:
            uuid.UUID(arm.name)
        except ValueError:
            raise bad("InvalidRoleAssignmentId", f"The role assignment ID '{arm.name}' is not valid: not a GUID.")
        wanted = body["properties"]
        if not world.exists(arm.scope):
            raise ArmError(404, "ResourceNotFound", f"The Resource '{arm.scope}' was not found.")
        definition = wanted["roleDefinitionId"].rsplit("/", 1)[-1]
        if definition not in catalog.ROLE_DEFINITIONS:
            raise bad("RoleDefinitionDoesNotExist", f"The specified role definition with ID '{definition}' does not exist.")
        born = world.born.get(wanted["principalId"])
        # A principal takes a while until the directory's other replicas know it; who says its type is not asked.
        young = born is not None and world.now() - born < world.settings["principal_delay"]
        if born is None or (young and wanted.get("principalType") != "ServicePrincipal"):
            raise bad(
                "PrincipalNotFound",
                f"Principal {wanted['principalId']} does not exist in the directory. Check that you have the correct "
                f"principal ID. If you are creating this principal and then immediately assigning a role, this error "
                f"might be related to a replication delay.",
            )
        same = ("roleDefinitionId", "principalId")
        if old and any(old.properties[key].lower() != wanted[key].lower() for key in same):
            raise bad("RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
        for other in world.resources.values():
            if other.kind is self and other.id.key != arm.key and other.id.scope.lower() == arm.scope.lower():
                if all(other.properties[key].lower() == wanted[key].lower() for key in same):
                    raise conflict("RoleAssignmentExists", f"The role assignment already exists. The ID of the existing role assignment is {other.id.name}.")

    def decorate(self, world, resource, body):
        body["properties"]["scope"] = resource.id.scope


def kinds():
    return [UserAssignedIdentity(), RoleAssignment()]
