"""All that the fake knows, and the way of one request through it."""

import json
import threading
import time

import balancing
import catalogue
import compute
import disks
import errors
import identity
import instance_acts
import instances
import networks
import public
import services
import storage
from faults import Faults
from operations import Operations
from store import Store, key_of

KINDS = {kind.collection: kind for kind in networks.KINDS + disks.KINDS + instances.KINDS + balancing.KINDS}
VERBS = {**disks.VERBS, **instance_acts.VERBS, **balancing.VERBS}
METHODS = {**public.METHODS, **identity.METHODS, **storage.METHODS, **services.METHODS}
SERVICES = {"compute": "compute.googleapis.com", "iam": "iam.googleapis.com", "storage": "storage.googleapis.com"}
SETTINGS = {
    "projects": ["demo-project"],
    "operation_seconds": 0.03,
    "wait_seconds": 0.02,
    "quota_errors": "answer",
    "quotas": {},
    "networks": 15,
    "service_accounts": 100,
    "missing_machine_types": [],
    "external_addresses_forbidden": False,
    "project_metadata": [],
    "disabled_services": [],
    "organisation_policies": {},
    "denied": [],
    "credentials": "valid",
}
LIMITS = {
    "CPUS": 5000,
    "DISKS_TOTAL_GB": 500000,
    "SSD_TOTAL_GB": 500000,
    "IN_USE_ADDRESSES": 500,
    "STATIC_ADDRESSES": 100,
    "INSTANCES": 2000,
}


class World:
    """One Google Cloud with its projects. Requests come one at a time, under `lock`."""

    def __init__(self, spec, base):
        self.spec, self.base, self.lock, self.keys = spec, base, threading.RLock(), identity.Keys()
        self.all_regions = list(catalogue.REGIONS)
        self.all_zones = [zone for region in self.all_regions for zone in catalogue.zones(region)]
        self.reset()

    def reset(self):
        self.store, self.operations, self.faults = Store(), Operations(), Faults()
        self.settings = json.loads(json.dumps(SETTINGS))
        self._accounts, self.buckets, self.calls, self.violations = {}, {}, [], []
        self._external, self.late_quota = 10, None
        self.held, self.released = threading.Event(), threading.Event()

    def forget_faults(self):
        """No faults any more; whoever is held goes on."""
        self.released.set()
        self.faults = Faults()
        self.held, self.released = threading.Event(), threading.Event()

    def accounts(self, project):
        return self._accounts.setdefault(project, {})

    def external_address(self):
        self._external += 1
        return f"34.90.{self._external // 250}.{self._external % 250}"

    # Quotas

    def limit(self, region, metric):
        default = LIMITS.get(metric, LIMITS["CPUS"])
        return float(self.settings["quotas"].get(region, {}).get(metric, default))

    def check_quota(self, project, region, metric, wanted):
        limit = self.limit(region, metric)
        if wanted > limit:
            error = compute.QuotaExceeded(metric, limit, region)
            if self.settings["quota_errors"] == "answer":
                raise error
            self.late_quota = error

    def check_cpus(self, project, region, family, cpus):
        metric = catalogue.FAMILIES[family]["quota"]
        self.check_quota(project, region, metric, cpus + self.cpu_usage(project, region).get(metric, 0))
        self.check_quota(project, region, "INSTANCES", 1 + len(self._instances(project, region)))

    def _instances(self, project, region):
        return [
            body
            for key, body in self.store.of(project, "instances")
            if catalogue.region_of(key[1].split("/")[1]) == region
        ]

    def cpu_usage(self, project, region):
        usage = {}
        for body in self._instances(project, region):
            if body["status"] != "TERMINATED":
                cpus, _, family = catalogue.machine(body["machineType"].split("/")[-1])
                metric = catalogue.FAMILIES[family]["quota"]
                usage[metric] = usage.get(metric, 0) + cpus
        return usage

    def disk_usage(self, project, region, metric):
        total = 0
        for key, body in self.store.of(project, "disks"):
            solid = not body["type"].endswith("/pd-standard")
            if catalogue.region_of(key[1].split("/")[1]) == region and solid == (metric == "SSD_TOTAL_GB"):
                total += int(body["sizeGb"])
        return total

    def quotas(self, project, region):
        usage = self.cpu_usage(project, region)
        for metric in ("SSD_TOTAL_GB", "DISKS_TOTAL_GB"):
            usage[metric] = self.disk_usage(project, region, metric)
        usage["STATIC_ADDRESSES"] = len(self.store.of(project, "addresses", f"regions/{region}"))
        usage["INSTANCES"] = len(self._instances(project, region))
        usage["IN_USE_ADDRESSES"] = len(
            [one for one in self._instances(project, region) if one["networkInterfaces"][0].get("accessConfigs")]
        )
        metrics = set(LIMITS) | {family["quota"] for family in catalogue.FAMILIES.values()}
        return [
            {"metric": metric, "limit": self.limit(region, metric), "usage": float(usage.get(metric, 0))}
            for metric in sorted(metrics)
        ]

    # One request

    def answer(self, verb, path, query, headers, body):
        """(status, body, headers, lost). Every request and every answer is checked against the description."""
        method, names = self.spec.find(verb, path)
        if method is None:
            self.violations.append(f"{verb} {path}: no such method")
            return 404, {"error": {"code": 404, "message": f"no method {verb} {path}"}}, {}, None
        entry = {"method": method.id, "path": path, "query": query, "body": body, "time": time.time()}
        self.calls.append(entry)
        inserts = method.id.endswith(".insert") and isinstance(body, dict)
        name = body.get("name") if inserts else path.rsplit("/", 1)[-1]
        entry["mutates"] = mutates = is_mutating(method)
        held, extra = self.faults.hold(method.id, name, mutates), {}
        if held == "before":
            self.hold()
        lost = held or self.faults.lose(method.id, name, mutates)
        if lost == "before":
            entry["status"] = "lost before"
            return 0, None, {}, lost
        try:
            error = self.faults.error(method.id, name)
            if error:
                if error.get("retry_after"):
                    extra["Retry-After"] = str(error["retry_after"])
                raise errors.GoogleError(
                    error["code"], error.get("reason", "backendError"), error.get("message", "injected")
                )
            status, result = 200, self._act(method, names, query, headers, body)
            faults = self.spec.response_faults(method, result)
            if faults:
                self.violations.append(f"the fake's own answer to {method.id}: {'; '.join(faults)}")
                raise errors.GoogleError(500, "fakeBroken", "; ".join(faults))
            if result is None:
                status = 204
        except errors.GoogleError as error:
            status, result = error.code, error.body(method.api)
            entry["reason"] = error.reason
        entry["status"] = status if lost is None else f"{status}, lost"
        if held:
            self.hold()
        return status, result, extra, lost

    def hold(self):
        """Keeps the caller waiting until a test has seen it and lets go. Others are served meanwhile."""
        self.held.set()
        self.lock.release()
        self.released.wait(60)
        self.lock.acquire()

    def _act(self, method, names, query, headers, body):
        self._check(method, names, query, body)
        if self.settings["credentials"] == "expired":
            raise identity.unauthenticated("Request had invalid authentication credentials.")
        self.keys.caller(headers.get("Authorization"))
        project = (
            names.get("project") or names.get("projectsId") or names.get("v1Id1") or query.get("project", [None])[0]
        )
        public_image = method.id.startswith("compute.images.")
        if project and project not in self.settings["projects"] and not public_image:
            if method.api == "compute":
                raise errors.not_found(f"projects/{project}")
            raise errors.GoogleError(
                403, "forbidden", f"Permission denied on resource project {project} (or it may not exist)."
            )
        service = SERVICES.get(method.api)
        if service in self.settings["disabled_services"] and not public_image:
            raise errors.disabled(service, project)
        self._permit(method, project)
        self.operations.settle()
        call = compute.Call(self, method, names, query, body) if method.id.count(".") == 2 else None
        if call is None:
            call = compute.Call.__new__(compute.Call)
            call.fake, call.method, call.names, call.query, call.body = self, method, names, query, body
        if method.id in METHODS:
            return METHODS[method.id](call)
        kind = KINDS.get(call.collection)
        act = VERBS.get(method.id) or (compute.COMMON.get(call.verb) if kind else None)
        if act is None:
            self.violations.append(f"{method.id} is not made")
            raise errors.GoogleError(501, "notImplemented", f"the fake does not know {method.id}")
        self._check_place(call)
        return act(kind, call)

    def _check(self, method, names, query, body):
        faults = self.spec.path_faults(method, names) + self.spec.query_faults(method, query)
        wrong, warnings = self.spec.request_faults(method, body)
        faults += wrong
        self.violations += [f"{method.id}: {warning}" for warning in warnings]
        if faults:
            self.violations.append(f"{method.id}: {'; '.join(faults)}")
            raise errors.GoogleError(400, "invalid", "; ".join(faults))

    def _permit(self, method, project):
        permission = permission_of(method)
        if permission in self.settings["denied"]:
            raise errors.denied(permission, f"projects/{project}")

    def _check_place(self, call):
        region = call.names.get("region")
        zone = call.names.get("zone")
        if region and region not in catalogue.REGIONS:
            raise errors.GoogleError(
                404, "notFound", f"The resource 'projects/{call.project}/regions/{region}' was not found"
            )
        if zone and not catalogue.known_zone(zone):
            raise errors.GoogleError(
                404, "notFound", f"The resource 'projects/{call.project}/zones/{zone}' was not found"
            )

    def dump(self):
        """Everything that is there, for a test that compares."""
        self.operations.settle()
        found = {key.path: body for key, body in self.store.resources.items()}
        for accounts in self._accounts.values():
            found.update({account["name"]: account for account in accounts.values()})
        found.update(
            {
                f"buckets/{name}": {**one["body"], "policy": one["policy"], "objects": one["objects"]}
                for name, one in self.buckets.items()
            }
        )
        return found

    def tamper(self, path, fields):
        """Somebody else changes or removes (`fields` is none) a resource behind refarch's back."""
        self.operations.settle()
        key = key_of(path)
        if key is None or key not in self.store.resources:
            raise errors.not_found(path)
        if fields is None:
            body = self.store.resources[key]
            self.store.remove(key)
            KINDS[key[2]].deleted(self, key, body)
        else:
            self.store.resources[key].update(fields)


READS = ("getHealth", "listInstances", "testIamPermissions", "getIamPolicy", "wait")


def is_mutating(method):
    """Whether a call changes something."""
    return method.verb != "GET" and method.id.rsplit(".", 1)[-1] not in READS


VERB_PERMISSIONS = {
    "insert": "create",
    "aggregatedList": "list",
    "patch": "update",
    "getFromFamily": "get",
    "getIamPolicy": "getIamPolicy",
}


def permission_of(method):
    """`compute.instances.create` for `compute.instances.insert`."""
    parts = method.id.split(".")
    service, collection, verb = parts[0], parts[-2], parts[-1]
    return f"{service}.{compute.COLLECTIONS.get(collection, collection)}.{VERB_PERMISSIONS.get(verb, verb)}"
