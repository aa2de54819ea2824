"""Bodies, paths and api-versions held against what the vendor's own packages know."""

import re

from errors import ArmError


# Calls of services whose packages are not among the vendor's ones used here.
ELSEWHERE = [
    ("GET", "/subscriptions/{subscriptionId}", "2022-12-01"),
    (
        "GET",
        "/subscriptions/{subscriptionId}/providers/Microsoft.MarketplaceOrdering/offerTypes/{offerType}/publishers/"
        "{publisherId}/offers/{offerId}/plans/{planId}/agreements/current",
        "2021-01-01",
    ),
]


class Schema:
    def __init__(self, found):
        self.models = found["models"]
        self.routes = [
            (operation["method"], template(operation["path"]), operation) for operation in found["operations"]
        ]
        self.routes += [(method, template(path), {"api_version": version}) for method, path, version in ELSEWHERE]

    def operation(self, method, path):
        """The operations of the vendor's clients that this call could be."""
        return [known for verb, pattern, known in self.routes if verb == method and pattern.match(path)]

    def check_call(self, method, path, version):
        """Path and version of a call."""
        if not version:
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        known = self.operation(method, path)
        if not known:
            raise ArmError(404, "InvalidResourceType", f"no operation of the vendor's clients is {method} {path}")
        versions = sorted({operation["api_version"] for operation in known})
        if version not in versions:
            raise ArmError(
                400,
                "InvalidApiVersionParameter",
                f"The api-version '{version}' is invalid. The supported versions are '{','.join(versions)}'.",
            )

    def check_request(self, model, body, verb="PUT"):
        """A request's body: everything known, of the right type, all there that must be."""
        faults = list(self.faults(self.models[model], body, "", request=verb))
        if faults:
            raise ArmError(400, "InvalidRequestContent", f"the request content is invalid: {'; '.join(faults)}")

    def check_reply(self, model, body):
        """What this server answers."""
        return list(self.faults(self.models[model], body, "", request=None))

    def faults(self, fields, body, path, request):
        if not isinstance(body, dict):
            yield f"'{path}' must be an object"
            return
        for name, value in body.items():
            field = fields.get(name)
            here = f"{path}.{name}" if path else name
            if field is None:
                yield f"could not find member '{here}'"
            elif value is None:
                continue
            elif request and field["read_only"] and name not in ("id", "name", "type", "etag"):
                yield f"'{here}' is read-only"
            else:
                yield from self.of_type(field["type"], value, here, request)
        for name, field in fields.items():
            if request and field["required"] and body.get(name) is None:
                yield f"required member '{f'{path}.{name}' if path else name}' is missing"

    def of_type(self, kind, value, path, request):
        simple = {"str": str, "int": int, "float": (int, float), "bool": bool}
        if kind == "any":
            return
        if isinstance(kind, str):
            if not isinstance(value, simple[kind]) or (kind in ("int", "float") and isinstance(value, bool)):
                yield f"'{path}' must be of type {kind}"
        elif "choice" in kind:
            if value not in kind["choice"]:
                yield f"'{path}' must be one of {', '.join(map(str, kind['choice']))}, not {value!r}"
        elif "list" in kind:
            if not isinstance(value, list):
                yield f"'{path}' must be a list"
                return
            for index, one in enumerate(value):
                yield from self.of_type(kind["list"], one, f"{path}[{index}]", request)
        elif "map" in kind:
            if not isinstance(value, dict):
                yield f"'{path}' must be an object"
                return
            for key, one in value.items():
                # What a PATCH names as null is taken away.
                if one is None and request == "PATCH":
                    continue
                yield from self.of_type(kind["map"], one, f"{path}.{key}", request)
        else:
            yield from self.faults(kind.get("fields") or self.models[kind["model"]], value, path, request)


def template(path):
    """A path template as a pattern. `{scope}` stands for a whole id, every other name for one segment."""
    pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
    pattern = pattern.replace("/{scope}", "/.+").replace("/{resourceUri}", "/.+").replace("/{resourceId}", "/.+")
    return re.compile("^" + re.sub(r"\{[^}]*\}", "[^/]+", pattern) + "/?$", re.I)
