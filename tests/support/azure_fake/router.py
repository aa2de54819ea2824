"""Which call does what."""

import re

import arm_id
import change
import reading
import world as worlds
from errors import ArmError, bad, missing

SUB = f"/subscriptions/{worlds.SUBSCRIPTION}"


class Answer:
    def __init__(self, status, body=None, headers=None):
        self.status, self.body, self.headers = status, body, headers or {}


class Router:
    def __init__(self, world, schema, base):
        self.world, self.schema, self.base = world, schema, base

    def route(self, method, path, query, headers, body, operation_error=None):
        lower = path.lower().rstrip("/")
        self.need_subscription(lower)
        for pattern, act in OPERATIONS:
            match = pattern.match(lower)
            if match and method == "GET":
                return act(self, match.group("id"))
        self.schema.check_call(method, path, query.get("api-version"))
        for verb, pattern, act in LOOKS:
            match = pattern.match(path.rstrip("/"))
            if match and verb == method:
                found = act(self, query, body, **match.groupdict())
                if isinstance(found, Answer):
                    return found
                if isinstance(found, list):
                    return Answer(200, reading.paged(self.world, found, self.base + path, query))
                return Answer(200, found)
        arm = arm_id.parse(path)
        if arm is not None and arm.type.lower() == "microsoft.network/virtualnetworks/subnets":
            return self.subnet(method, arm, headers, body, operation_error)
        kind = arm and self.world.kinds.get(arm.type.lower())
        if kind:
            return self.resource(method, arm, kind, query, headers, body, operation_error)
        if method == "POST":
            return self.action(path, query)
        if method == "GET":
            return self.type_list(path, query)
        raise bad("NotImplementedByFake", f"{method} {path} is the vendor's, but this server does not know it")

    def need_subscription(self, lower):
        if lower.startswith("/subscriptions/") and not (lower + "/").startswith(SUB.lower() + "/"):
            name = lower.split("/")[2]
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{name}' could not be found.")

    # --- one resource ------------------------------------------------------------------------------------------

    def resource(self, method, arm, kind, query, headers, body, operation_error):
        world = self.world
        if method in ("GET", "HEAD"):
            if method == "HEAD":
                return Answer(204 if world.find(arm) else 404)
            found = world.get(arm)
            reply = kind.reply(world, found)
            if query.get("$expand", "").lower() == "instanceview" and hasattr(kind, "view"):
                reply["properties"]["instanceView"] = kind.view(world, found)
            return Answer(200, reply, {"ETag": found.etag} if kind.has_etag else {})
        if method == "DELETE":
            there, operation = change.delete(world, arm, kind, headers, operation_error)
            if operation is None:
                return Answer(200 if there else 204)
            return Answer(202, None, self.operation_headers(arm, operation, kind.delete))
        if method == "PATCH":
            self.schema.check_request(kind.patch_model, body, method)
            body = kind.patched(world.get(arm), body)
            tags_only = set(kind.patch_model.split(".")[1:]) == {"TagsObject"}
        else:
            self.schema.check_request(kind.model, body)
            tags_only = False
        resource, new, operation = change.put(world, arm, kind, body, headers, operation_error)
        reply = kind.reply(world, resource)
        if operation is None or tags_only:
            return Answer(201 if new else 200, reply)
        headers = self.operation_headers(arm, operation, kind.put)
        if kind.put == "accepted":
            storage = kind.type.startswith("Microsoft.Storage")
            if storage and not new:
                return Answer(200, reply)
            return Answer(202, None if storage else reply, headers)
        return Answer(201 if new else 200, reply, headers)

    def operation_headers(self, arm, operation, style):
        where = f"{self.base}{SUB}/providers/{arm.namespace}/locations/any"
        version = "api-version=2026-04-01"
        headers = {"Retry-After": str(operation.retry_after)}
        if style != "location" and not arm.namespace.startswith("Microsoft.Storage"):
            headers["Azure-AsyncOperation"] = f"{where}/operations/{operation.id}?{version}"
        if style in ("accepted", "location", "action"):
            headers["Location"] = f"{where}/operationResults/{operation.id}?{version}"
        return headers

    def subnet(self, method, arm, headers, body, operation_error):
        """A subnet is a part of its network: changing it is a PUT of the network."""
        world = self.world
        holder = world.get(arm.parent)
        kind = holder.kind
        subnets = holder.properties.setdefault("subnets", [])
        found = [subnet for subnet in subnets if subnet["name"].lower() == arm.name.lower()]
        if method == "GET":
            if not found:
                raise missing(arm)
            reply = kind.reply(world, holder)["properties"]["subnets"]
            return Answer(200, next(one for one in reply if one["name"].lower() == arm.name.lower()))
        rest = [subnet for subnet in subnets if subnet["name"].lower() != arm.name.lower()]
        if method == "DELETE" and not found:
            return Answer(204)
        if method == "PUT":
            self.schema.check_request("network.Subnet", body)
            rest.append({"name": arm.name, "properties": body.get("properties") or {}})
        wanted = {**holder.body, "properties": {**holder.properties, "subnets": rest}}
        _, _, operation = change.put(world, holder.id, kind, wanted, {}, operation_error)
        follow = self.operation_headers(arm, operation, "accepted" if method == "DELETE" else "created")
        if method == "DELETE":
            return Answer(202, None, follow)
        reply = kind.reply(world, holder)["properties"]["subnets"][-1]
        return Answer(200 if found else 201, reply, follow)

    def action(self, path, query):
        base, name = path.rstrip("/").rsplit("/", 1)
        arm = arm_id.parse(base)
        kind = arm and self.world.kinds.get(arm.type.lower())
        act = kind and kind.actions().get(name)
        if act is None:
            raise bad("NotImplementedByFake", f"POST {path} is the vendor's, but this server does not know it")
        resource = self.world.get(arm)
        operation = act(self.world, resource, query)
        resource.operation = operation
        return Answer(202, None, self.operation_headers(arm, operation, "action"))

    def type_list(self, path, query):
        """All of a type, in a group or in the subscription."""
        prefix, _, rest = path.rstrip("/").rpartition("/providers/")
        above = rest.rsplit("/", 1)[0]
        kind = self.world.kinds.get(types_of(rest))
        if kind is None:
            raise bad("NotImplementedByFake", f"GET {path} is the vendor's, but this server does not know it")
        self.world.need_group(arm_id.parse(f"{prefix}/providers/any/any/any"))
        where = f"{prefix}/providers/{above}" if "/" in above else prefix
        found = reading.type_list(self.world, where, kind)
        return Answer(200, reading.paged(self.world, found, self.base + path, query))

    # --- operations --------------------------------------------------------------------------------------------

    def operation(self, name):
        """Azure-AsyncOperation: always 200, with a status."""
        operation = self.asked(name)
        status = "InProgress" if not operation.done else ("Failed" if operation.error else "Succeeded")
        body = {"name": operation.id, "startTime": "2026-11-25T10:00:00+00:00", "status": status}
        if operation.error and operation.done:
            body["error"] = error_of(operation.error)
        return Answer(200, body, {} if operation.done else {"Retry-After": str(operation.retry_after)})

    def result(self, name):
        """Location: 202 until it is over."""
        operation = self.asked(name)
        if not operation.done:
            where = f"{self.base}{SUB}/providers/x/locations/any/operationResults/{name}?api-version=2026-04-01"
            return Answer(202, None, {"Location": where, "Retry-After": str(operation.retry_after)})
        if operation.error:
            error = error_of(operation.error)
            raise ArmError(409, error["code"], error["message"])
        if operation.result is not None:
            return Answer(200, operation.result.kind.reply(self.world, operation.result))
        return Answer(200)

    def asked(self, name):
        self.world.settle()
        operation = self.world.operations.get(name)
        if operation is None:
            raise ArmError(404, "NotFound", f"no operation {name}")
        now = self.world.now()
        earliest = operation.asked or (operation.ends - 1e9)
        if operation.asked is not None and now < earliest + operation.retry_after - 0.02:
            self.world.violations.append(f"operation {name} was asked {now - operation.asked:.2f} s after the last time, Retry-After was {operation.retry_after}")
        operation.asked = now
        return operation


def types_of(rest):
    """Microsoft.X/a/name/b -> microsoft.x/a/b"""
    parts = rest.lower().split("/")
    return "/".join([parts[0], *parts[1::2]])


def error_of(error):
    return {"code": error.code, "message": error.message} if isinstance(error, ArmError) else error


OPERATIONS = [
    (re.compile(r"^/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+/operations/(?P<id>[^/]+)$"), Router.operation),
    (re.compile(r"^/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+/operationresults/(?P<id>[^/]+)$"), Router.result),
]


def look(method, path, act):
    pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
    pattern = pattern.replace("{scope}", "(?P<scope>/.+)")
    return method, re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern) + "$", re.I), act


def register(router, query, body, sub, namespace):
    world = router.world
    known = reading.provider(world, namespace)["namespace"]
    if known in world.settings["unregistered"] and known not in world.registering:
        world.registering.add(known)

        def registered(_operation):
            world.registering.discard(known)
            world.settings["unregistered"].remove(known)

        # Whoever asked has to look for himself how far it is: there is no operation to follow.
        world.begin("register", registered)
    return reading.provider(world, namespace)


def name_available(router, query, body, sub):
    from kinds.storage import TAKEN

    name = body["name"]
    taken = name in TAKEN or any(one.kind.type.endswith("storageAccounts") and one.id.name == name for one in router.world.resources.values())
    answer = {"nameAvailable": not taken}
    if taken:
        answer |= {"reason": "AlreadyExists", "message": f"The storage account named {name} is already taken."}
    return answer


def subscription(router, query, body, sub):
    return {"id": SUB, "subscriptionId": worlds.SUBSCRIPTION, "tenantId": worlds.TENANT, "displayName": "Fake", "state": "Enabled"}


def instance_view(router, query, body, sub, group, name):
    arm = arm_id.parse(f"/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}")
    found = router.world.get(arm)
    return found.kind.view(router.world, found)


def boot_log(router, query, body, sub, group, name):
    """Where the serial console's log is: an address with a signature of its own, which takes no token."""
    arm = arm_id.parse(f"/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}")
    found = router.world.get(arm)
    if not (found.properties.get("diagnosticsProfile") or {}).get("bootDiagnostics", {}).get("enabled"):
        raise bad("BootDiagnosticsNotEnabled", f"Boot diagnostics is not enabled on VM '{name}'.")
    return {"serialConsoleLogBlobUri": f"{router.base}/_console{arm.key}?sig=fake", "consoleScreenshotBlobUri": f"{router.base}/_console/x"}


def tags_at(router, query, body, scope):
    """The tags of any resource, read apart from it."""
    found = tagged(router, scope)
    return {"id": f"{scope}/providers/Microsoft.Resources/tags/default", "name": "default", "type": "Microsoft.Resources/tags", "properties": {"tags": found.body.get("tags") or {}}}


def change_tags(router, query, body, scope):
    """Merge or Delete, and everything else of the resource stays."""
    router.schema.check_request("resources.TagsPatchResource", body)
    found = tagged(router, scope)
    tags = dict(found.body.get("tags") or {})
    for key, value in body["properties"]["tags"].items():
        if body["operation"] == "Delete":
            tags.pop(key, None)
        else:
            tags[key] = value
    if len(tags) > 50:
        raise bad("InvalidTagCount", "a resource has at most 50 tags")
    found.body["tags"] = tags
    found.etag = worlds.new_etag()
    return tags_at(router, query, body, scope)


def tagged(router, scope):
    arm = arm_id.parse(scope)
    if arm is None:
        raise bad("InvalidScope", f"{scope} has no tags")
    found = router.world.get(arm)
    if not found.kind.has_tags:
        raise bad("TagsNotSupported", f"{arm.type} has no tags")
    return found


def kind_of(router, name):
    return router.world.kinds[name]


COMPUTE = "/subscriptions/{sub}/providers/Microsoft.Compute"
IMAGE = COMPUTE + "/locations/{region}/publishers/{publisher}/artifacttypes/vmimage/offers/{offer}/skus/{sku}/versions"
LOOKS = [
    look("GET", "/subscriptions/{sub}", subscription),
    look("GET", "/subscriptions/{sub}/resourcegroups", lambda r, q, b, sub: reading.resource_list(r.world, q, SUB, True)),
    look("GET", "/subscriptions/{sub}/resources", lambda r, q, b, sub: reading.resource_list(r.world, q, SUB, False)),
    look("GET", "/subscriptions/{sub}/resourceGroups/{group}/resources", lambda r, q, b, sub, group: reading.resource_list(r.world, q, f"{SUB}/resourceGroups/{group}", False)),
    look("POST", "/subscriptions/{sub}/providers/{namespace}/register", register),
    look("GET", "/subscriptions/{sub}/providers/{namespace}", lambda r, q, b, sub, namespace: reading.provider(r.world, namespace)),
    look("GET", COMPUTE + "/skus", lambda r, q, b, sub: reading.skus(r.world, q)),
    look("GET", COMPUTE + "/locations/{region}/usages", lambda r, q, b, sub, region: reading.usages(r.world, region, "microsoft.compute")),
    look("GET", "/subscriptions/{sub}/providers/Microsoft.Network/locations/{region}/usages", lambda r, q, b, sub, region: reading.usages(r.world, region, "microsoft.network")),
    look("GET", IMAGE, lambda r, q, b, sub, region, publisher, offer, sku: Answer(200, reading.image_versions(region, publisher, offer, sku))),
    look("GET", IMAGE + "/{version}", lambda r, q, b, sub, region, publisher, offer, sku, version: reading.image(region, publisher, offer, sku, version)),
    look("GET", "/subscriptions/{sub}/providers/Microsoft.MarketplaceOrdering/offerTypes/virtualmachine/publishers/{publisher}/offers/{offer}/plans/{plan}/agreements/current", lambda r, q, b, sub, publisher, offer, plan: reading.terms(r.world, publisher, offer, plan)),
    look("POST", "/subscriptions/{sub}/providers/Microsoft.Storage/checkNameAvailability", name_available),
    look("GET", "/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}/instanceView", instance_view),
    look("GET", "{scope}/providers/Microsoft.Resources/tags/default", tags_at),
    look("PATCH", "{scope}/providers/Microsoft.Resources/tags/default", change_tags),
    look("POST", "/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}/retrieveBootDiagnosticsData", boot_log),
    look("GET", "{scope}/providers/Microsoft.Authorization/locks", lambda r, q, b, scope: reading.locks_or_roles(r.world, scope, kind_of(r, "microsoft.authorization/locks"))),
    look("GET", "{scope}/providers/Microsoft.Authorization/roleAssignments", lambda r, q, b, scope: reading.locks_or_roles(r.world, scope, kind_of(r, "microsoft.authorization/roleassignments"))),
]
