"""Reads the vendor's Python packages into one JSON file that the fake checks bodies, paths and versions against.

Importing the packages takes many seconds, so this runs once for a set of package versions:
    python vendor_models.py OUT.json

Kept of each operation: method, path template, api-version. Kept of each model that a body can have: its fields with
type, whether they must be sent, and whether only the server sets them.
"""

import enum
import importlib
import inspect
import json
import re
import sys
import typing

# Short name -> (client package, model package).
PACKAGES = {
    "compute": ("azure.mgmt.compute.operations._operations", "azure.mgmt.compute.models"),
    "network": ("azure.mgmt.network.operations._operations", "azure.mgmt.network.models"),
    "resources": ("azure.mgmt.resource.resources.operations._operations", "azure.mgmt.resource.resources.models"),
    "locks": ("azure.mgmt.resource.locks.operations._operations", "azure.mgmt.resource.locks.models"),
    "storage": ("azure.mgmt.storage.operations._operations", "azure.mgmt.storage.models"),
    "msi": ("azure.mgmt.msi.v2024_11_30.operations._operations", "azure.mgmt.msi.v2024_11_30.models"),
    "identities": (
        "azure.mgmt.msi.v2024_11_30.operations._user_assigned_identities_operations",
        "azure.mgmt.msi.v2024_11_30.models",
    ),
    "authorization": (
        "azure.mgmt.authorization.v2022_04_01.operations._role_assignments_operations",
        "azure.mgmt.authorization.v2022_04_01.models",
    ),
}

BUILDER = re.compile(r"^def build_(\w+)_request\(", re.M)
VERSION = re.compile(r'"api-version", "([^"]+)"')
METHOD = re.compile(r'HttpRequest\(\s*method="(\w+)"')
LITERAL = re.compile(r'"([^"]*)"')

# Enumerations that the service extends without a new package: any text is taken.
OPEN = {"VirtualMachineSizeTypes", "ExtendedLocationTypes"}


def operations(module):
    """Every request builder of a client: method, path, api-version."""
    source = inspect.getsource(importlib.import_module(module))
    starts = [match.start() for match in BUILDER.finditer(source)] + [source.find("\nclass ")]
    for begin, end in zip(starts, starts[1:]):
        text = source[begin:end]
        name = BUILDER.match(text).group(1)
        method, version = METHOD.search(text), VERSION.search(text)
        assigned = re.search(r"_url = (.*?)(?:path_format_arguments|# Construct parameters)", text, re.S)
        if not (method and version and assigned):
            continue
        path = "".join(part for part in LITERAL.findall(assigned.group(1)) if part != "template_url")
        if path.startswith("/") and path.count("/") > 1:
            yield {"name": name, "method": method.group(1), "path": path, "api_version": version.group(1)}


class Models:
    """The models of one package, followed from the ones that are asked for."""

    def __init__(self, package, into):
        self.package = package
        self.module = importlib.import_module(PACKAGES[package][1])
        self.into = into

    def add(self, cls):
        """Describes a model and everything its fields refer to; gives the name it is kept under."""
        name = f"{self.package}.{cls.__name__}"
        if name not in self.into:
            self.into[name] = {}
            describe = self.old if hasattr(cls, "_attribute_map") else self.new
            self.into[name] = describe(cls)
        return name

    def new(self, cls):
        """Models whose fields are `rest_field`s."""
        scope = {"_models": self.module}
        hints, fields = {}, {}
        for base in reversed(cls.__mro__):
            for key, hint in getattr(base, "__annotations__", {}).items():
                scope_of = vars(sys.modules[base.__module__]) | scope
                hints[key] = eval(hint, scope_of) if isinstance(hint, str) else hint  # the vendor's own source
            for key, value in vars(base).items():
                if type(value).__name__ == "_RestField" and key in hints:
                    hint = self.resolve(hints[key], scope)
                    optional = type(None) in typing.get_args(hint)
                    visibility = value._visibility
                    fields[value._rest_name_input or key] = {
                        "type": self.type_of(hint),
                        "required": not optional and visibility != ["read"],
                        "read_only": visibility == ["read"],
                    }
        return fields

    def resolve(self, hint, scope):
        """Evaluates the names that the vendor left as text."""
        if isinstance(hint, typing.ForwardRef):
            return self.resolve(eval(hint.__forward_arg__, scope | vars(typing)), scope)  # the vendor's own source
        if isinstance(hint, str):
            return self.resolve(eval(hint, scope | vars(typing)), scope)  # the vendor's own source
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Union:
            return typing.Union[tuple(self.resolve(arg, scope) for arg in args)]
        if origin in (list, dict):
            return origin[tuple(self.resolve(arg, scope) for arg in args)]
        return hint

    def type_of(self, hint):
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Union:
            real = [arg for arg in args if arg is not type(None)]
            enums = [arg for arg in real if inspect.isclass(arg) and issubclass(arg, enum.Enum)]
            if enums:
                return self.choice(enums[0])
            return self.type_of(real[0]) if len(real) == 1 else "any"
        if origin is list:
            return {"list": self.type_of(args[0])}
        if origin is dict:
            return {"map": self.type_of(args[1])}
        if origin is typing.Literal:
            return {"choice": [getattr(arg, "value", arg) for arg in args]}
        if inspect.isclass(hint):
            if issubclass(hint, enum.Enum):
                return self.choice(hint)
            if hint in (str, int, bool, float):
                return hint.__name__
            if hint.__name__ in ("datetime", "date", "timedelta", "time", "bytes"):
                return "str"
            if hasattr(hint, "_attribute_map") or hasattr(hint, "_deserialize"):
                return {"model": self.add(hint)}
        return "any"

    @staticmethod
    def choice(cls):
        return "str" if cls.__name__ in OPEN else {"choice": [member.value for member in cls]}

    def old(self, cls):
        """Models with an `_attribute_map`; a dotted key means nested objects."""
        fields = {}
        for attribute, mapped in cls._attribute_map.items():
            rules = cls._validation.get(attribute, {})
            path = re.split(r"(?<!\\)\.", mapped["key"])
            level = fields
            for part in path[:-1]:
                holder = level.setdefault(part, {"type": {"fields": {}}, "required": False, "read_only": False})
                holder["required"] |= bool(rules.get("required"))
                level = holder["type"]["fields"]
            level[path[-1].replace("\\.", ".")] = {
                "type": self.named(mapped["type"]),
                "required": bool(rules.get("required")),
                "read_only": bool(rules.get("readonly")),
            }
        return fields

    def named(self, text):
        if text.startswith("["):
            return {"list": self.named(text[1:-1])}
        if text.startswith("{"):
            return {"map": self.named(text[1:-1])}
        simple = {"str": "str", "int": "int", "long": "int", "bool": "bool", "float": "float", "iso-8601": "str"}
        if text in simple:
            return simple[text]
        cls = getattr(self.module, text, None)
        return {"model": self.add(cls)} if hasattr(cls, "_attribute_map") else "any"


def read(wanted):
    """`wanted` names models as `package.Model`."""
    found = {"operations": [], "models": {}}
    for package, (client, _) in PACKAGES.items():
        found["operations"] += [{"package": package} | operation for operation in operations(client)]
    for name in sorted(wanted):
        package, model = name.split(".")
        models = Models(package, found["models"])
        models.add(getattr(models.module, model))
    return found


if __name__ == "__main__":
    from kinds import KINDS

    # Bodies of calls that are no PUT or PATCH of a resource.
    names = {"resources.TagsPatchResource"}
    names |= {name for kind in KINDS.values() for name in (kind.model, kind.patch_model, kind.reply_model) if name}
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(read(names), out, indent=0)
