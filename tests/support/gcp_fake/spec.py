"""The vendor's own description of its services, read from the Python package google-api-python-client.

Finds the method that a request means, and says what of a request or an answer is not as the description has it.
What the description does not say (which fields an insert needs, states, references) the handlers enforce.
"""

import json
import re
from urllib.parse import unquote

APIS = ("compute.v1", "storage.v1", "iam.v1", "serviceusage.v1", "orgpolicy.v2", "cloudresourcemanager.v3")
INTEGERS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}
LONG = {"int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}


class Method:
    """One method of one service."""

    def __init__(self, api, description, prefix, common):
        self.api, self.description, self.common = api, description, common
        self.id, self.verb = description["id"], description["httpMethod"]
        self.parameters = description.get("parameters", {})
        template = prefix + description.get("flatPath", description["path"])
        self.names = re.findall(r"\{\+?(\w+)\}", template)
        pattern = re.sub(r"\\\{\\?\+?\w+\\\}", "([^/:]+)", re.escape(template))
        self.pattern = re.compile(f"/{pattern}")
        self.literal = len(re.sub(r"\{\+?\w+\}", "", template))

    def match(self, path):
        found = self.pattern.fullmatch(path)
        return dict(zip(self.names, map(unquote, found.groups()))) if found else None


class Spec:
    """All the services' descriptions."""

    def __init__(self, folder):
        self.methods, self.schemas = [], {}
        for file in APIS:
            with open(f"{folder}/{file}.json", encoding="utf-8") as source:
                document = json.load(source)
            api = document["name"]
            self.schemas[api] = document["schemas"]
            self._collect(api, document, document["servicePath"], document.get("parameters", {}))
        # The most literal template wins: `images/family/{family}` before `images/{image}`.
        self.methods.sort(key=lambda method: -method.literal)

    def _collect(self, api, node, prefix, common):
        for description in node.get("methods", {}).values():
            self.methods.append(Method(api, description, prefix, common))
        for child in node.get("resources", {}).values():
            self._collect(api, child, prefix, common)

    def find(self, verb, path):
        """The method that a request means, with the path's parameters."""
        for method in self.methods:
            if method.verb == verb:
                names = method.match(path)
                if names is not None:
                    return method, names
        return None, {}

    def query_faults(self, method, query):
        faults = []
        for name, values in query.items():
            # The official Rust clients ask for `$alt`; the description calls the same parameter `alt`.
            rule = method.parameters.get(name) or method.common.get(name) or method.common.get(name.lstrip("$"))
            if name == "$apiVersion" and re.fullmatch(r"20\d\d-\d\d-\d\d", values[0]):
                # The official Rust client names the version of the interface that it was made from.
                continue
            if rule is None or rule.get("location") == "path":
                faults.append(f"unknown parameter {name}")
                continue
            if len(values) > 1 and not rule.get("repeated"):
                faults.append(f"parameter {name} given {len(values)} times")
            for value in values:
                faults += _parameter_faults(name, value, rule)
        for name, rule in method.parameters.items():
            if rule.get("required") and rule.get("location") == "query" and name not in query:
                faults.append(f"missing parameter {name}")
        return faults

    def path_faults(self, method, names):
        """Patterns of path parameters; `flatPath` splits some into parts that have no rule of their own."""
        faults = []
        for name, value in names.items():
            rule = method.parameters.get(name)
            if rule and "pattern" in rule and not re.fullmatch(rule["pattern"], value):
                faults.append(f"parameter {name}: {value!r} does not match {rule['pattern']}")
        return faults

    def request_faults(self, method, body):
        """(errors, warnings): warnings are fields that the service fills in and ignores when they are sent."""
        reference = method.description.get("request", {}).get("$ref")
        if reference is None:
            return (["a body on a method that takes none"] if body not in (None, {}) else []), []
        if body is None:
            return (["no body"], [])
        errors, warnings = [], []
        self._check(method.api, {"$ref": reference}, body, "resource", errors, warnings)
        return errors, warnings

    def response_faults(self, method, body):
        reference = method.description.get("response", {}).get("$ref")
        if reference is None:
            return ["an answer of a method that has none"] if body else []
        errors = []
        self._check(method.api, {"$ref": reference}, body, "answer", errors, [])
        return errors

    def _check(self, api, rule, value, where, errors, warnings):
        if "$ref" in rule:
            rule = self.schemas[api][rule["$ref"]]
        kind = rule.get("type", "any")
        if value is None or kind == "any":
            return
        if kind == "object":
            self._check_object(api, rule, value, where, errors, warnings)
        elif kind == "array":
            if not isinstance(value, list):
                errors.append(f"{where}: not a list")
                return
            for index, item in enumerate(value):
                self._check(api, rule["items"], item, f"{where}[{index}]", errors, warnings)
        else:
            errors += [f"{where}: {fault}" for fault in _scalar_faults(value, rule)]

    def _check_object(self, api, rule, value, where, errors, warnings):
        if not isinstance(value, dict):
            errors.append(f"{where}: not an object")
            return
        known, rest = rule.get("properties", {}), rule.get("additionalProperties")
        for name, item in value.items():
            inner = known.get(name, rest)
            if inner is None:
                errors.append(f"{where}.{name}: unknown field")
                continue
            if inner.get("readOnly") or inner.get("description", "").startswith("[Output Only]"):
                warnings.append(f"{where}.{name}: filled in by the service")
            self._check(api, inner, item, f"{where}.{name}", errors, warnings)


def _parameter_faults(name, value, rule):
    kind = rule.get("type")
    if kind == "boolean" and value not in ("true", "false"):
        return [f"parameter {name}: {value!r} is not a boolean"]
    if kind == "integer" and not re.fullmatch(r"-?\d+", value):
        return [f"parameter {name}: {value!r} is not a number"]
    # `alt=json;enum-encoding=int` asks for a variant of `json`.
    if "enum" in rule and value.split(";")[0] not in rule["enum"]:
        return [f"parameter {name}: {value!r} is none of {', '.join(rule['enum'])}"]
    return []


def _scalar_faults(value, rule):
    kind, form = rule["type"], rule.get("format")
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{value!r} is not a boolean"]
    if kind == "number":
        return [] if isinstance(value, (int, float)) and not isinstance(value, bool) else [f"{value!r} is not a number"]
    if kind == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            return [f"{value!r} is not an integer"]
        low, high = INTEGERS.get(form, INTEGERS["int32"])
        return [] if low <= value <= high else [f"{value} is out of the range of {form}"]
    if form in LONG:
        if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
            return [f"{value!r} is not a 64 bit number"]
        low, high = LONG[form]
        return [] if low <= int(value) <= high else [f"{value} is out of the range of {form}"]
    if not isinstance(value, str):
        return [f"{value!r} is not a string"]
    if "enum" in rule and value not in rule["enum"]:
        return [f"{value!r} is none of {', '.join(rule['enum'])}"]
    if "pattern" in rule and not re.fullmatch(rule["pattern"], value):
        return [f"{value!r} does not match {rule['pattern']}"]
    return []
