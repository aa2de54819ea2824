"""Which services a project has enabled, and the policies of its organisation."""

from errors import GoogleError

NUMBER = "123456789012"


def _service(call, name):
    state = "DISABLED" if name in call.fake.settings["disabled_services"] else "ENABLED"
    return {
        "name": f"projects/{NUMBER}/services/{name}",
        "parent": f"projects/{NUMBER}",
        "config": {"name": name},
        "state": state,
    }


def get(call):
    return _service(call, call.names["servicesId"])


def batch(call):
    prefix = f"{call.names['v1Id']}/{call.names['v1Id1']}/services/"
    names = call.query.get("names", [])
    if not 0 < len(names) <= 30 or not all(name.startswith(prefix) for name in names):
        raise GoogleError(400, "badRequest", f"names: 1 to 30, each starting with {prefix}.")
    return {"services": [_service(call, name.removeprefix(prefix)) for name in names]}


def policy(call):
    name = call.names["policiesId"]
    enforced = call.fake.settings["organisation_policies"].get(name)
    if name == "compute.vmExternalIpAccess":
        rule = {"denyAll": True} if enforced else {"allowAll": True}
    else:
        rule = {"enforce": bool(enforced)}
    return {"name": f"projects/{NUMBER}/policies/{name}", "spec": {"rules": [rule]}}


METHODS = {
    "serviceusage.services.get": get,
    "serviceusage.services.batchGet": batch,
    "orgpolicy.projects.policies.getEffectivePolicy": policy,
}
