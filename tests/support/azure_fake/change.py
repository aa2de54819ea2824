"""PUT, PATCH and DELETE of a resource: the rules that hold for every type, and the operations that follow."""

import copy

import world as worlds
from errors import ArmError, conflict

VOLATILE = ("etag", "id", "name", "type")


def need_match(resource, headers):
    """If-Match and If-None-Match."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    failed = ArmError(412, "PreconditionFailed", "Precondition failed. The etag in the request does not match the resource's.")
    if none_match == "*" and resource is not None:
        raise failed
    if match and (resource is None or (match != "*" and match.strip('"') != resource.etag.strip('"'))):
        raise failed


def need_idle(resource):
    """One operation at a time on a resource."""
    operation = resource.operation
    if operation is None or operation.done:
        return
    if resource.id.namespace.lower() == "microsoft.network":
        raise ArmError(
            429,
            "AnotherOperationInProgress",
            f"Another operation on this or dependent resource is in progress. To retrieve status of the operation use "
            f"uri: {operation.id}.",
            {"Retry-After": "1"},
        )
    raise conflict("Conflict", f"The request failed due to conflict with a concurrent request on {resource.id.text}.")


def put(world, arm, kind, body, headers, error=None):
    """Stores; gives the resource, whether it is new, and the operation that follows."""
    world.need_registered(arm.namespace)
    world.need_group(arm)
    old = world.find(arm)
    need_match(old, headers)
    body = {key: value for key, value in copy.deepcopy(body).items() if key not in VOLATILE}
    if old is not None:
        need_idle(old)
        if kind.has_etag and body.get("properties"):
            body["properties"].pop("provisioningState", None)
    world.need_references(arm, body)
    kind.validate(world, arm, body, old)
    resource = old or worlds.Resource(arm, kind, body)
    resource.body = body
    resource.etag = worlds.new_etag()
    world.resources[arm.key] = resource
    if hasattr(kind, "begun"):
        kind.begun(world, resource, old)
    if kind.put == "sync":
        kind.complete(world, resource)
        resource.facts["made"] = True
        return resource, old is None, None
    resource.state = "Updating" if old or arm.namespace.lower() == "microsoft.network" else "Creating"
    if kind.type.startswith("Microsoft.Storage"):
        resource.state = "Succeeded" if old else "Creating"

    def finish(operation):
        if world.resources.get(arm.key) is not resource or resource.operation is not operation:
            return
        if error is not None:
            resource.state = "Failed"
            resource.facts["error"] = error
            return
        kind.complete(world, resource)
        resource.facts["made"] = True
        resource.facts.pop("error", None)
        resource.state = "Succeeded"

    seconds = world.settings["operation_seconds"] * kind.slow
    resource.operation = world.begin(kind.put, finish, error, resource, seconds)
    return resource, old is None, resource.operation


def delete(world, arm, kind, headers, error=None):
    """Gives whether there was anything, and the operation that follows."""
    resource = world.find(arm)
    if resource is None:
        world.need_group(arm)
        return False, None
    need_match(resource, headers)
    world.need_unlocked(arm)
    if kind.type != "Microsoft.Compute/virtualMachines":
        need_idle(resource)
    kind.may_delete(world, resource)

    def gone(operation):
        if error is not None:
            resource.state = "Failed"
            return
        kind.removed(world, resource)
        world.resources.pop(arm.key, None)
        for lock in [other for other in world.resources.values() if other.id.scope.lower() == arm.key]:
            world.resources.pop(lock.id.key, None)

    if kind.delete == "sync":
        gone(None)
        return True, None
    resource.state = "Deleting"
    resource.operation = world.begin(kind.delete, gone, error, None, world.settings["operation_seconds"] * kind.slow)
    return True, resource.operation
