"""Faults that a test asks for.

A rule is an object: `method` (a glob over method ids) or `mutating` (true: every call that changes something),
`resource` (a glob over names, optional), `after` (so many calls pass first), `times` (so many fail), and one of
  error            {"code", "reason", "message", "retry_after"}: the answer, nothing is done
  operation_error  {"code", "message"}: the operation begins and ends DONE with this error
  delay            seconds before the call is done
  lose             "before" or "after": the connection is cut, before the act or after it
  hold             "before" or "after": as `lose`, but the client waits until a test releases the call
"""

import fnmatch


class Faults:
    def __init__(self):
        self.rules, self.fired = [], []

    def add(self, rule):
        known = {
            "method",
            "mutating",
            "resource",
            "after",
            "times",
            "error",
            "operation_error",
            "delay",
            "lose",
            "hold",
        }
        if not {"method", "mutating"} & set(rule) or not set(rule) <= known:
            raise ValueError(f"a rule has a method and of {sorted(known)}: {rule}")
        self.rules.append({"after": 0, "times": 1, **rule})

    def _take(self, what, method, name, mutates=False):
        for rule in self.rules:
            if what not in rule or rule["times"] == 0 or not fnmatch.fnmatch(method, rule.get("method", "*")):
                continue
            if rule.get("mutating") and not mutates:
                continue
            if not fnmatch.fnmatch(name or "", rule.get("resource", "*")):
                continue
            if rule["after"] > 0:
                rule["after"] -= 1
                continue
            rule["times"] -= 1
            self.fired.append({"method": method, "resource": name, "what": what})
            return rule[what]
        return None

    def error(self, method, name):
        return self._take("error", method, name)

    def operation_error(self, method, name):
        return self._take("operation_error", method, name)

    def delay(self, method, name):
        return self._take("delay", method, name) or 0

    def lose(self, method, name, mutates):
        return self._take("lose", method, name, mutates)

    def hold(self, method, name, mutates):
        return self._take("hold", method, name, mutates)
