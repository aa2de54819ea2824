"""What exists: every resource of every project, and the references between them."""

import base64
import datetime
import hashlib
import itertools
import json
import re

from errors import invalid, not_found, not_ready

BASE = "https://www.googleapis.com/compute/v1/"


class Key(tuple):
    """(project, scope, collection, name): what a resource's path says."""

    def __new__(cls, project, scope, collection, name):
        return super().__new__(cls, (project, scope, collection, name))

    @property
    def path(self):
        project, scope, collection, name = self
        place = f"projects/{project}" if scope == "" else f"projects/{project}/{scope}"
        return f"{place}/{collection}/{name}"

    @property
    def link(self):
        return BASE + self.path


def key_of(path):
    """The key that a path or a link names; none where it is neither."""
    parts = path.split("projects/", 1)[-1].split("/")
    if "projects/" not in path:
        return None
    if len(parts) == 4 and parts[1] == "global":
        return Key(parts[0], "global", parts[2], parts[3])
    if len(parts) == 5 and parts[1] in ("regions", "zones"):
        return Key(parts[0], f"{parts[1]}/{parts[2]}", parts[3], parts[4])
    if len(parts) == 3 and parts[1] in ("regions", "zones"):
        return Key(parts[0], "", parts[1], parts[2])
    return None


class Store:
    """Resources by key, counters, and what is still being made or removed."""

    def __init__(self):
        self.resources, self.pending, self.changing = {}, {}, {}
        self.numbers = itertools.count(1000000000000001)
        self.projects = {}

    def number(self):
        return str(next(self.numbers))

    def get(self, key):
        if key not in self.resources:
            raise not_found(key.path)
        return self.resources[key]

    def add(self, key, body):
        body["selfLink"] = key.link
        self.resources[key] = body

    def remove(self, key):
        self.resources.pop(key, None)
        self.pending.pop(key, None)

    def of(self, project, collection, scope=None):
        """Resources of one kind, by name."""
        found = [
            (key, body)
            for key, body in self.resources.items()
            if key[0] == project and key[2] == collection and (scope is None or key[1] == scope)
        ]
        return sorted(found, key=lambda pair: (pair[0][1], pair[0][3]))

    def resolve(self, text, collection, project, scope, field, catalogue=None):
        """The key that a reference means: a full link, a path from `projects/`, or one from the scope on."""
        path = re.sub(r"^https?://[^/]+/(?:compute/v1/)?", "", text)
        if not path.startswith("projects/"):
            if "/" not in path:
                raise invalid(field, text, "The URL is malformed.")
            path = f"projects/{project}/{path}"
        key = key_of(path)
        if key is None or key[2] != collection:
            raise invalid(field, text, f"The URL is malformed or names no {collection}.")
        if scope is not None and key[1] != scope:
            raise invalid(field, text, f"The resource is in {key[1]}, not in {scope}.")
        if catalogue is not None:
            if not catalogue(key):
                raise invalid(field, text, "The referenced resource doesn't exist.")
        elif key not in self.resources:
            raise invalid(field, text, "The referenced resource does not exist.")
        elif key in self.pending:
            raise not_ready(key.path)
        return key

    def users_of(self, key):
        """Resources that name this one."""
        link = key.link
        return [other for other, body in self.resources.items() if other != key and link in links(body)]


def links(body, depth=0):
    """Every link that a resource's body holds, but its own and those that only say who uses it."""
    found = set()
    if isinstance(body, dict):
        for name, value in body.items():
            if not (depth == 0 and name in ("selfLink", "users", "members")):
                found |= links(value, depth + 1)
    elif isinstance(body, list):
        for value in body:
            found |= links(value, depth + 1)
    elif isinstance(body, str) and body.startswith(BASE):
        found.add(body)
    return found


def digest(value):
    """A fingerprint or etag: changes with what it stands for."""
    text = json.dumps(value, sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()[:8]).decode()


def proto_digest(value):
    """The same of a service that is described by protocol buffers: bytes there are written in the other alphabet."""
    return digest(value).translate(str.maketrans("-_", "+/"))


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
