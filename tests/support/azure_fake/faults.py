"""Faults that a test asks for, the log of calls, and the endpoint that tests steer the fake with.

    POST /_fake/rules      a list of rules; each holds for the next `times` calls that match (default 1)
        {"method": "PUT", "path": "*/virtualmachines/demo-app-1", "times": 1, "skip": 0, ...one of
         "answer": {"status": 409, "code": "SkuNotAvailable", "message": "...", "headers": {}},
         "operation_error": {"code": "OSProvisioningTimedOut", "message": "..."},
         "lost": "answer" (done, but nobody hears of it) | "request" (not done, connection closed),
         "hold": "answer" | "request" (done or not, and then silence: the caller is to be killed)}
    PUT  /_fake/settings   any of world.SETTINGS
    PUT  /_fake/put/resourceGroups/...   somebody else's PUT of that resource, done at once
    POST /_fake/reset
    GET  /_fake/log, /_fake/resources, /_fake/violations, /_fake/held, /_fake/rules
"""

import fnmatch

import arm_id
import world as worlds
from errors import ArmError

CHANGES = ("PUT", "PATCH", "DELETE", "POST")


class Lost(Exception):
    """The connection ends without an answer."""


def taken(world, method, path):
    """The rule that this call falls under, if any; rules count down."""
    for rule in world.rules:
        verbs = CHANGES if rule.get("method") == "change" else (rule.get("method", method),)
        if method not in verbs or not fnmatch.fnmatch(path.lower(), rule.get("path", "*").lower()):
            continue
        if rule.setdefault("skip", 0) > 0:
            rule["skip"] -= 1
            continue
        if rule.setdefault("times", 1) <= 0:
            continue
        rule["times"] -= 1
        return rule
    return None


def before(rule):
    """What happens instead of the call."""
    if rule is None:
        return
    if rule.get("lost") == "request":
        raise Lost
    if "answer" in rule:
        answer = rule["answer"]
        raise ArmError(answer["status"], answer["code"], answer.get("message", "as the test asked"), answer.get("headers"))


def control(world, method, path, body):
    """Answers a test."""
    what = path.removeprefix("/_fake/")
    if method == "POST" and what == "reset":
        world.reset()
        return {}
    if method == "PUT" and what == "settings":
        unknown = set(body) - set(worlds.SETTINGS)
        if unknown:
            raise ArmError(400, "UnknownSetting", f"no such setting: {', '.join(sorted(unknown))}")
        world.settings.update(body)
        return world.settings
    if method == "PUT" and what.startswith("put/"):
        arm = arm_id.parse(f"/subscriptions/{worlds.SUBSCRIPTION}/{what.removeprefix('put/')}")
        made = world.add(arm, body)
        made.kind.complete(world, made)
        return made.body
    if method == "POST" and what == "rules":
        world.rules.extend(body)
        return world.rules
    if method == "GET" and what == "rules":
        return world.rules
    if method == "GET" and what == "log":
        return world.log
    if method == "GET" and what == "violations":
        return world.violations
    if method == "GET" and what == "held":
        return sum(1 for call in world.log if call.get("held"))
    if method == "GET" and what == "resources":
        world.settle()
        return {
            resource.id.text: {**resource.kind.reply(world, resource), "state": resource.state, "power": resource.facts.get("power")}
            for resource in world.resources.values()
        }
    raise ArmError(404, "NotFound", f"no {method} {path} here")
