"""Passthrough network load balancers: health checks, instance groups, backend services, forwarding rules."""

from compute import Kind, change
from errors import GoogleError, invalid, required
from networks import free_address
from store import key_of


class HealthChecks(Kind):
    collection, type_name, singular, scopes = "healthChecks", "compute#healthCheck", "healthCheck", "regions"
    updatable = (
        "checkIntervalSec",
        "timeoutSec",
        "healthyThreshold",
        "unhealthyThreshold",
        "tcpHealthCheck",
        "httpHealthCheck",
        "httpsHealthCheck",
        "type",
    )
    DETAIL = {"TCP": "tcpHealthCheck", "HTTP": "httpHealthCheck", "HTTPS": "httpsHealthCheck"}

    def prepare(self, call, key, body):
        for name, value in (
            ("checkIntervalSec", 5),
            ("timeoutSec", 5),
            ("healthyThreshold", 2),
            ("unhealthyThreshold", 2),
        ):
            body.setdefault(name, value)
        self.changed(call, key, body)

    def changed(self, call, key, body):
        if not body.get("type"):
            raise required("resource.type")
        if body["type"] not in self.DETAIL or self.DETAIL[body["type"]] not in body:
            raise invalid("resource.type", body["type"], "The field of the same type must be given.")
        if body["timeoutSec"] > body["checkIntervalSec"]:
            raise invalid("resource.timeoutSec", body["timeoutSec"], "Must not be greater than checkIntervalSec.")
        if not body[self.DETAIL[body["type"]]].get("port"):
            raise required(f"resource.{self.DETAIL[body['type']]}.port")


class InstanceGroups(Kind):
    collection, type_name, singular, scopes = "instanceGroups", "compute#instanceGroup", "instanceGroup", "zones"

    def prepare(self, call, key, body):
        if body.get("network"):
            body["network"] = call.resolve(body["network"], "networks", "global", "resource.network").link
        if body.get("subnetwork"):
            body["subnetwork"] = call.resolve(
                body["subnetwork"], "subnetworks", f"regions/{call.region}", "resource.subnetwork"
            ).link
        body["members"] = []

    def seen(self, fake, key, body):
        body["size"] = len(body.pop("members"))
        return body


def add_instances(kind, call):
    key = call.key(kind.singular)
    group = call.fake.store.get(key)
    found = [_member(call, key, one) for one in call.body.get("instances", [])]
    for one in found:
        if one.link in group["members"] and not call.fake.operations.repeated(
            call.project, call.method.id, key.link, call.one("requestId")
        ):
            raise GoogleError(400, "memberAlreadyExists", f"Instance '{one.path}' is already a member of '{key.path}'.")
        network = call.fake.store.get(one)["networkInterfaces"][0]["network"]
        if group.get("network", network) != network:
            raise invalid("instances", one.path, "The instance is in another network than the group.")
        balanced = [
            other
            for other, body in call.fake.store.of(key[0], "instanceGroups")
            if other != key and one.link in body["members"] and call.fake.store.users_of(other)
        ]
        if balanced and call.fake.store.users_of(key):
            raise GoogleError(
                400,
                "resourceInUseByAnotherResource",
                f"Instance '{one.path}' is in the load balanced group '{balanced[0].path}' already.",
            )

    def act(body, really):
        if really:
            body["members"] = sorted({*body["members"], *(one.link for one in found)})
            for one in found:
                body["network"] = call.fake.store.get(one)["networkInterfaces"][0]["network"]

    return change(call, key, act)


def remove_instances(kind, call):
    key = call.key(kind.singular)
    found = [
        key_of(one["instance"]).link if "projects/" in one["instance"] else one["instance"]
        for one in call.body.get("instances", [])
    ]
    group = call.fake.store.get(key)
    for one in found:
        if one not in group["members"]:
            raise GoogleError(400, "memberNotFound", f"Instance '{one}' is not a member of '{key.path}'.")

    def act(body, really):
        if really:
            body["members"] = [one for one in body["members"] if one not in found]

    return change(call, key, act)


def list_instances(kind, call):
    key = call.key(kind.singular)
    items = []
    for link in call.fake.store.get(key)["members"]:
        status = call.fake.store.resources.get(key_of(link), {}).get("status", "TERMINATED")
        items.append({"instance": link, "status": status})
    return {
        "kind": "compute#instanceGroupsListInstances",
        "id": key.path,
        "selfLink": f"{key.link}/listInstances",
        **({"items": items} if items else {}),
    }


def _member(call, key, one):
    if not one.get("instance"):
        raise required("instances[0].instance")
    return call.resolve(one["instance"], "instances", key[1], "instances[0].instance")


class BackendServices(Kind):
    collection, type_name, singular, scopes = "backendServices", "compute#backendService", "backendService", "regions"
    fingerprinted = True
    updatable = (
        "backends",
        "healthChecks",
        "sessionAffinity",
        "timeoutSec",
        "connectionDraining",
        "connectionTrackingPolicy",
    )

    def prepare(self, call, key, body):
        body.setdefault("loadBalancingScheme", "EXTERNAL")
        if body["loadBalancingScheme"] not in ("INTERNAL", "EXTERNAL"):
            raise invalid(
                "resource.loadBalancingScheme",
                body["loadBalancingScheme"],
                "This fake knows passthrough balancers only.",
            )
        body.setdefault("protocol", "TCP")
        if body["protocol"] not in ("TCP", "UDP", "UNSPECIFIED"):
            raise invalid("resource.protocol", body["protocol"], "Passthrough balancers take TCP, UDP and UNSPECIFIED.")
        if body.get("network"):
            if body["loadBalancingScheme"] == "EXTERNAL":
                raise invalid("resource.network", body["network"], "Only internal backend services have a network.")
            body["network"] = call.resolve(body["network"], "networks", "global", "resource.network").link
        body.setdefault("sessionAffinity", "NONE")
        body.setdefault("timeoutSec", 30)
        body.setdefault("connectionDraining", {"drainingTimeoutSec": 0})
        self.changed(call, key, body)

    def changed(self, call, key, body):
        if len(body.get("healthChecks", [])) != 1:
            raise invalid(
                "resource.healthChecks", len(body.get("healthChecks", [])), "Exactly one health check is needed."
            )
        body["healthChecks"] = [
            call.resolve(one, "healthChecks", key[1], "resource.healthChecks[0]").link for one in body["healthChecks"]
        ]
        for backend in body.get("backends", []):
            group = call.resolve(backend.get("group", ""), "instanceGroups", None, "resource.backends[0].group")
            if f"regions/{group[1].split('/')[1].rsplit('-', 1)[0]}" != key[1]:
                raise invalid("resource.backends[0].group", group.path, "The group is in another region.")
            backend["group"] = group.link
            if backend.setdefault("balancingMode", "CONNECTION") != "CONNECTION":
                raise invalid(
                    "resource.backends[0].balancingMode",
                    backend["balancingMode"],
                    "Passthrough balancers take CONNECTION only.",
                )


def get_health(kind, call):
    key = call.key(kind.singular)
    group = call.resolve(call.body.get("group", ""), "instanceGroups", None, "group")
    if group.link not in [one["group"] for one in call.fake.store.get(key).get("backends", [])]:
        raise invalid("group", group.path, "No backend of this service.")
    found = []
    for link in call.fake.store.get(group)["members"]:
        instance = call.fake.store.resources.get(key_of(link))
        if instance:
            state = "HEALTHY" if instance["status"] == "RUNNING" else "UNHEALTHY"
            found.append(
                {"instance": link, "ipAddress": instance["networkInterfaces"][0]["networkIP"], "healthState": state}
            )
    return {"kind": "compute#backendServiceGroupHealth", **({"healthStatus": found} if found else {})}


class ForwardingRules(Kind):
    collection, type_name, singular, scopes = "forwardingRules", "compute#forwardingRule", "forwardingRule", "regions"
    labelled, fingerprinted = True, True
    updatable = ("allowGlobalAccess",)

    def prepare(self, call, key, body):
        if not body.get("backendService"):
            raise required("resource.backendService")
        service = call.resolve(body["backendService"], "backendServices", key[1], "resource.backendService")
        body["backendService"] = service.link
        scheme = body.setdefault("loadBalancingScheme", "EXTERNAL")
        if scheme != call.fake.store.get(service)["loadBalancingScheme"]:
            raise invalid("resource.loadBalancingScheme", scheme, "The backend service has another scheme.")
        body.setdefault("IPProtocol", "TCP")
        given = [name for name in ("ports", "portRange", "allPorts") if body.get(name)]
        if len(given) != 1:
            raise invalid("resource.ports", given, "Exactly one of ports, portRange and allPorts.")
        if len(body.get("ports", [])) > 5:
            raise invalid("resource.ports", len(body["ports"]), "At most 5 ports.")
        if scheme == "INTERNAL":
            self._internal(call, key, body)
        else:
            self._external(call, key, body)

    def _internal(self, call, key, body):
        if not body.get("subnetwork"):
            raise required("resource.subnetwork")
        subnet = call.resolve(body["subnetwork"], "subnetworks", key[1], "resource.subnetwork")
        network = call.fake.store.get(subnet)["network"]
        wanted = call.fake.store.get(key_of(body["backendService"])).get("network", network)
        if wanted != network:
            raise invalid("resource.subnetwork", subnet.path, "The backend service is in another network.")
        body.update(subnetwork=subnet.link, network=network)
        body["IPAddress"] = self._address(call, key, body, "INTERNAL") or free_address(
            call.fake, subnet, body.get("IPAddress")
        )

    def _external(self, call, key, body):
        if body.get("subnetwork") or body.get("network"):
            raise invalid("resource.network", "...", "External rules have no network.")
        body["IPAddress"] = self._address(call, key, body, "EXTERNAL") or call.fake.external_address()
        body.setdefault("networkTier", "PREMIUM")

    def _address(self, call, key, body, kind):
        """The reserved address that the rule names, by link or by value. Rules may share one if their ports differ."""
        text = body.get("IPAddress")
        if not text:
            return None
        reserved = {
            one["address"]: one
            for _, one in call.fake.store.of(key[0], "addresses", key[1])
            if one["addressType"] == kind
        }
        if "/" in text:
            address = call.resolve(text, "addresses", key[1], "resource.IPAddress")
            text = call.fake.store.get(address)["address"]
        if text not in reserved:
            if kind == "EXTERNAL":
                raise invalid("resource.IPAddress", text, "Specified IP address was not found.")
            return None
        for other, one in call.fake.store.of(key[0], "forwardingRules", key[1]):
            clash = one["IPAddress"] == text and (
                one.get("allPorts") or body.get("allPorts") or set(one.get("ports", [])) & set(body.get("ports", []))
            )
            shared = reserved[text].get("purpose") == "SHARED_LOADBALANCER_VIP"
            if kind == "INTERNAL" and one["IPAddress"] == text and not shared:
                raise GoogleError(400, "resourceInUseByAnotherResource", f"The address is in use by '{other.path}'.")
            if clash and one["IPProtocol"] == body["IPProtocol"]:
                raise GoogleError(400, "resourceInUseByAnotherResource", f"IP:PORT is in use by '{other.path}'.")
        return text


KINDS = [HealthChecks(), InstanceGroups(), BackendServices(), ForwardingRules()]
VERBS = {
    "compute.instanceGroups.addInstances": add_instances,
    "compute.instanceGroups.removeInstances": remove_instances,
    "compute.instanceGroups.listInstances": list_instances,
    "compute.regionBackendServices.getHealth": get_health,
}
