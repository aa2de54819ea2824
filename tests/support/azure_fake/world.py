"""Everything that the fake cloud holds: one tenant, one subscription, its resources, and what is still going on."""

import itertools
import threading
import time
import uuid

import arm_id
import catalog
from errors import ArmError, conflict, missing, missing_group

TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
CLIENT = "33333333-3333-3333-3333-333333333333"
CLIENT_SECRET = "fake-secret"

# What tests may set; times in seconds.
SETTINGS = {
    "operation_seconds": 0.05,
    "retry_after": 0,
    "page_size": 1000,
    "cores": 1000,
    "family_cores": {},
    "restricted": {},
    "unregistered": [],
    "unaccepted_terms": True,
    "writes_per_second": 0,
    "write_burst": 0,
    "principal_delay": 0,
}


class Resource:
    """A stored resource. `state` is its provisioning state."""

    def __init__(self, arm, kind, body):
        self.id, self.kind, self.body = arm, kind, body
        self.state = "Succeeded"
        self.etag = new_etag()
        self.operation = None
        # What only the server knows: power state, addresses.
        self.facts = {}

    @property
    def properties(self):
        return self.body.setdefault("properties", {})


class Operation:
    """Something that goes on after its request was answered."""

    def __init__(self, seconds, style, finish, error=None, result=None):
        self.id = str(uuid.uuid4())
        self.began = time.time()
        self.ends = time.monotonic() + seconds
        self.style, self.finish, self.error, self.result = style, finish, error, result
        self.done = False
        self.asked = None
        self.retry_after = 0


class World:
    def __init__(self, kinds):
        self.kinds = kinds
        self.lock = threading.RLock()
        self.reset()

    def reset(self):
        self.settings = {key: value.copy() if hasattr(value, "copy") else value for key, value in SETTINGS.items()}
        self.resources = {}
        self.operations = {}
        self.tokens = {}
        self.log = []
        self.violations = []
        self.rules = []
        self.born = {}
        self.registering = set()
        self.numbers = itertools.count(1)
        self.spent = (time.monotonic(), 0.0)
        self.not_before = {}

    @staticmethod
    def now():
        return time.monotonic()

    # --- finding -----------------------------------------------------------------------------------------------

    def find(self, arm):
        self.settle()
        return self.resources.get(arm.key)

    def get(self, arm):
        self.need_group(arm)
        found = self.find(arm)
        if found is None:
            raise missing(arm)
        return found

    def exists(self, text):
        """Whether an id leads to a resource, or to a named part of one (a subnet, a probe)."""
        if text.lower() in self.resources:
            return True
        arm = arm_id.parse(text)
        parent = arm and arm.parent
        holder = parent and self.resources.get(parent.key)
        if holder is None:
            return False
        parts = holder.body.get("properties", {}).get(arm.types[-1]) or []
        return any(part.get("name", "").lower() == arm.name.lower() for part in parts)

    def need_group(self, arm):
        self.settle()
        group = arm.group
        if group and group not in self.resources and group != arm.key:
            raise missing_group(group.rsplit("/", 1)[-1])

    def inside(self, prefix):
        """Resources below an id, in the order in which they were made."""
        self.settle()
        prefix = prefix.lower().rstrip("/") + "/"
        return [resource for key, resource in self.resources.items() if key.startswith(prefix)]

    def users_of(self, text):
        """Resources that refer to an id or to a part of it."""
        self.settle()
        wanted = text.lower()
        for resource in self.resources.values():
            if resource.id.key == wanted or resource.id.key.startswith(wanted + "/"):
                continue
            for path, target in arm_id.references(resource.body):
                if target.lower() == wanted or target.lower().startswith(wanted + "/"):
                    yield resource, path
                    break

    def add(self, arm, body):
        """Stores a resource that the server makes by itself."""
        resource = Resource(arm, self.kinds[arm.type.lower()], body)
        resource.facts["made"] = True
        self.resources[arm.key] = resource
        return resource

    # --- going on ----------------------------------------------------------------------------------------------

    def begin(self, style, finish, error=None, result=None, seconds=None):
        seconds = self.settings["operation_seconds"] if seconds is None else seconds
        operation = Operation(seconds, style, finish, error, result)
        operation.retry_after = self.settings["retry_after"]
        self.operations[operation.id] = operation
        return operation

    def settle(self):
        """Ends what should have ended by now, in the order in which it ends."""
        now = time.monotonic()
        due = [op for op in self.operations.values() if not op.done and op.ends <= now]
        for operation in sorted(due, key=lambda op: op.ends):
            operation.done = True
            try:
                operation.finish(operation)
            except ArmError as error:
                operation.error = error

    # --- rules that hold for every kind ------------------------------------------------------------------------

    def need_references(self, arm, body):
        """What a body refers to must be there."""
        for path, target in arm_id.references(body.get("properties", {}), "properties"):
            if target.lower().startswith(arm.key + "/"):
                self.need_own_part(arm, body, target)
            elif not self.exists(target) and "/providers/microsoft.authorization/roledefinitions/" not in target.lower():
                kind = arm_id.parse(target)
                compute = arm.namespace.lower() == "microsoft.compute"
                raise ArmError(
                    404 if compute else 400,
                    "NotFound" if compute else "InvalidResourceReference",
                    f"Resource {target} referenced by resource {arm.text} was not found. Please make sure that the "
                    f"referenced resource exists, and that both resources are in the same region."
                    + ("" if kind else " (this is no resource id)"),
                )

    @staticmethod
    def need_own_part(arm, body, target):
        rest = target[len(arm.text) + 1 :].split("/")
        parts = body["properties"].get(rest[0]) or []
        if len(rest) != 2 or not any(part.get("name", "").lower() == rest[1].lower() for part in parts):
            raise ArmError(
                400,
                "InvalidResourceReference",
                f"Resource {target} referenced by resource {arm.text} was not found. Please make sure that the "
                f"referenced resource exists, and that both resources are in the same region.",
            )

    def need_unlocked(self, arm):
        """Locks hold for a resource and everything below it; a group is held by what is in it."""
        for resource in self.resources.values():
            if resource.id.type.lower() != "microsoft.authorization/locks":
                continue
            scope = resource.id.scope.lower()
            below = arm.key == scope or arm.key.startswith(scope + "/")
            above = scope.startswith(arm.key + "/") and arm.type == "Microsoft.Resources/resourceGroups"
            if (below or above) and resource.id.key != arm.key:
                raise conflict(
                    "ScopeLocked",
                    f"The scope '{arm.text}' cannot perform delete operation because following scope(s) are locked: "
                    f"'{resource.id.scope}'. Please remove the lock and try again.",
                )

    def need_registered(self, namespace):
        if namespace in self.settings["unregistered"]:
            raise conflict(
                "MissingSubscriptionRegistration",
                f"The subscription is not registered to use namespace '{namespace}'. See "
                f"https://aka.ms/rps-not-found for how to register subscriptions.",
            )

    def throttle(self):
        """A token bucket over writes, where a test asked for one."""
        rate, burst = self.settings["writes_per_second"], self.settings["write_burst"]
        if not rate:
            return
        at, used = self.spent
        now = time.monotonic()
        used = max(0.0, used - (now - at) * rate)
        if used + 1 > burst:
            self.spent = (now, used)
            raise ArmError(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of 'write' requests for subscription '{SUBSCRIPTION}' exceeded the limit. Please try again "
                f"after '1' seconds after additional tokens are available.",
                {"Retry-After": "1"},
            )
        self.spent = (now, used + 1)

    # --- quota -------------------------------------------------------------------------------------------------

    def cores_used(self, family=None):
        used = 0
        for resource in self.resources.values():
            if resource.id.type.lower() == "microsoft.compute/virtualmachines":
                size = catalog.SIZES[resource.body["properties"]["hardwareProfile"]["vmSize"]]
                if resource.facts.get("power") != "deallocated" and family in (None, size[0]):
                    used += size[1]
        return used


def new_etag():
    return f'W/"{uuid.uuid4()}"'
