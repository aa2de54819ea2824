"""What all kinds of Compute Engine resources have in common: insert, get, list, delete, labels, operations."""

import copy
import re

import filters
from errors import GoogleError, exists, fingerprint, in_use, invalid, not_ready, required
from operations import Operation
from store import BASE, Key, digest, now

COLLECTIONS = {"regionBackendServices": "backendServices", "regionHealthChecks": "healthChecks"}
SCOPED = {"zone": "zones", "region": "regions"}
LABEL_KEY, LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
PAGE = 500


class Kind:
    """A kind of resource. Subclasses say what the vendor's description does not."""

    collection, type_name, singular = "", "", ""
    labelled, plural_list, fingerprinted = False, "", False
    updatable = ()

    def prepare(self, call, key, body):
        """Checks an insert and fills in what the service does. `body` is the resource to be."""

    def ready(self, fake, key, body):
        """The insert's operation has ended well."""

    def undone(self, fake, key, body):
        """The insert's operation has failed."""

    def may_delete(self, fake, key, body):
        """Refuses a delete by raising."""

    def deleting(self, fake, key, body):
        """The delete's operation has begun."""

    def deleted(self, fake, key, body):
        """The delete's operation has ended."""

    def changed(self, call, key, body):
        """After a patch: checks and fills in."""

    def seen(self, fake, key, body):
        """The body as an answer shows it."""
        return body


class Call:
    """One request to Compute Engine."""

    def __init__(self, fake, method, names, query, body):
        self.fake, self.method, self.names, self.query, self.body = fake, method, names, query, body
        self.project = names.get("project", "")
        part, self.verb = method.id.split(".")[1:]
        self.collection = COLLECTIONS.get(part, part)
        self.scope = "global"
        for name, plural in SCOPED.items():
            if name in names:
                self.scope = f"{plural}/{names[name]}"

    @property
    def place(self):
        return self.scope.split("/")[-1]

    @property
    def region(self):
        return self.place.rsplit("-", 1)[0] if self.scope.startswith("zones") else self.place

    def one(self, name):
        return self.query.get(name, [None])[0]

    def key(self, singular):
        name = self.names.get(singular) or self.names.get("resource") or self.names.get("resourceId")
        return Key(self.project, self.scope, self.collection, name)

    def resolve(self, text, collection, scope, field, catalogue=None):
        return self.fake.store.resolve(text, collection, self.project, scope, field, catalogue)

    def operate(self, key, effect=None, undo=None, target_id=None):
        """Begins an operation on `key` and gives the answer."""
        fake = self.fake
        scope = key[1]
        target_id = target_id or fake.store.resources.get(key, {}).get("id") or fake.store.number()
        operation = Operation(
            fake.store.number(),
            self.method.id,
            self.project,
            scope,
            key.link,
            target_id,
            fake.settings["operation_seconds"],
            self.one("requestId"),
        )
        error = fake.faults.operation_error(self.method.id, key[3])
        if error:
            operation.fail(error["code"], error["message"])
        fake.operations.begin(operation, effect, undo)
        return operation.body(first=True)

    def repeated(self, key):
        found = self.fake.operations.repeated(self.project, self.method.id, key.link, self.one("requestId"))
        if found:
            found.polls += 1
        return found.body() if found else None


def insert(kind, call):
    body, fake, store = copy.deepcopy(call.body), call.fake, call.fake.store
    if not body.get("name"):
        raise required("resource.name")
    key = Key(call.project, call.scope, kind.collection, body["name"])
    again = call.repeated(key)
    if again:
        return again
    if not NAME.fullmatch(body["name"]):
        raise invalid("resource.name", body["name"], "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'")
    if key in store.resources:
        raise exists(key.path)
    check_labels(body.get("labels", {}))
    if len(body.get("description", "")) > 2048:
        raise invalid("resource.description", "...", "At most 2048 characters.")
    fake.late_quota = None
    kind.prepare(call, key, body)
    late, fake.late_quota = fake.late_quota, None
    body.update(id=store.number(), kind=kind.type_name, creationTimestamp=now())
    if call.scope.startswith(("zones", "regions")):
        name = call.scope.split("/")[0][:-1]
        body[name] = f"{BASE}projects/{call.project}/{call.scope}"
    if kind.labelled:
        body["labelFingerprint"] = digest(body.get("labels", {}))
    if kind.fingerprinted:
        body["fingerprint"] = digest(body)

    store.add(key, body)

    def effect():
        store.pending.pop(key, None)
        kind.ready(fake, key, body)

    def undo():
        store.remove(key)
        kind.undone(fake, key, body)

    answer = call.operate(key, effect, undo)
    operation = fake.operations.all[(call.project, call.scope, answer["name"])]
    store.pending[key] = operation
    if late:
        operation.fail("QUOTA_EXCEEDED", late.message)
    return answer


def delete(kind, call):
    key, fake = call.key(kind.singular), call.fake
    again = call.repeated(key)
    if again:
        return again
    body = fake.store.get(key)
    if key in fake.store.pending or key in fake.store.changing:
        raise not_ready(key.path)
    kind.may_delete(fake, key, body)
    users = fake.store.users_of(key)
    if users:
        raise in_use(key.path, users[0].path)
    before = copy.deepcopy(body)

    def effect():
        fake.store.changing.pop(key, None)
        fake.store.remove(key)
        kind.deleted(fake, key, body)

    def undo():
        fake.store.changing.pop(key, None)
        body.clear()
        body.update(before)

    answer = call.operate(key, effect, undo, body["id"])
    fake.store.changing[key] = answer["name"]
    kind.deleting(fake, key, body)
    return answer


def change(call, key, act):
    """An operation that changes a resource; the change is visible when the operation is done."""
    again = call.repeated(key)
    if again:
        return again
    body = call.fake.store.get(key)
    if key in call.fake.store.pending or key in call.fake.store.changing:
        raise not_ready(key.path)
    act(body, False)

    def effect():
        if key in call.fake.store.resources:
            act(call.fake.store.resources[key], True)

    return call.operate(key, effect)


def patch(kind, call):
    key = call.key(kind.singular)
    for name in call.body:
        if name not in kind.updatable and name not in ("name", "fingerprint", "description", "kind", "selfLink"):
            raise invalid(f"resource.{name}", "...", "The field cannot be changed.")
    body = call.fake.store.get(key)
    sent = call.body.get("fingerprint")
    if kind.fingerprinted and "fingerprint" in call.body and sent != body["fingerprint"]:
        raise fingerprint("resource")
    wanted = copy.deepcopy(body)
    wanted.update({name: value for name, value in call.body.items() if name != "fingerprint"})
    kind.changed(call, key, wanted)

    def act(body, now_really):
        if now_really:
            body.update(wanted)
            if kind.fingerprinted:
                body["fingerprint"] = digest({name: value for name, value in body.items() if name != "fingerprint"})

    return change(call, key, act)


def update(kind, call):
    """Puts a whole resource in the place of what is there: what is not sent is no longer."""
    key = call.key(kind.singular)
    body = call.fake.store.get(key)
    kept = ("id", "kind", "creationTimestamp", "selfLink", "name", "network", "direction")
    wanted = {name: body[name] for name in kept if name in body}
    sent = copy.deepcopy(call.body)
    for name in ("network", "direction"):
        sent.pop(name, None)
    wanted.update(sent)
    kind.changed(call, key, wanted)

    def act(body, now_really):
        if now_really:
            body.clear()
            body.update(wanted)

    return change(call, key, act)


def set_labels(kind, call):
    key = call.key(kind.singular)
    body = call.fake.store.get(key)
    check_labels(call.body.get("labels", {}))
    if call.body.get("labelFingerprint") != body["labelFingerprint"]:
        if not call.fake.operations.repeated(call.project, call.method.id, key.link, call.one("requestId")):
            raise GoogleError(
                412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed"
            )

    def act(body, now_really):
        if now_really:
            body["labels"] = call.body.get("labels", {})
            body["labelFingerprint"] = digest(body["labels"])

    return change(call, key, act)


def get(kind, call):
    key = call.key(kind.singular)
    return kind.seen(call.fake, key, copy.deepcopy(call.fake.store.get(key)))


def listed(kind, call):
    found = [
        kind.seen(call.fake, key, copy.deepcopy(body))
        for key, body in call.fake.store.of(call.project, kind.collection, call.scope)
    ]
    items, token = filters.page(filters.keep(call.one("filter"), found), call.query, PAGE)
    answer = {
        "kind": f"{kind.type_name}List",
        "id": f"projects/{call.project}/{call.scope}/{kind.collection}",
        "selfLink": f"{BASE}projects/{call.project}/{call.scope}/{kind.collection}",
    }
    if items:
        answer["items"] = items
    if token:
        answer["nextPageToken"] = token
    return answer


def aggregated(kind, call):
    fake = call.fake
    found = [
        (key, kind.seen(fake, key, copy.deepcopy(body))) for key, body in fake.store.of(call.project, kind.collection)
    ]
    kept = filters.keep(call.one("filter"), [body for _, body in found])
    chosen = [(key, body) for key, body in found if any(body is one for one in kept)]
    page, token = filters.page(chosen, call.query, PAGE)
    scopes = {"zones": fake.all_zones, "regions": fake.all_regions}[kind.scopes]
    items = {}
    for scope in [f"{kind.scopes}/{name}" for name in scopes]:
        there = [body for key, body in page if key[1] == scope]
        nothing = {
            "code": "NO_RESULTS_ON_PAGE",
            "message": f"There are no results for scope '{scope}' on this page.",
            "data": [{"key": "scope", "value": scope}],
        }
        items[scope] = {kind.collection: there} if there else {"warning": nothing}
    answer = {
        "kind": f"{kind.type_name}AggregatedList",
        "id": f"projects/{call.project}/aggregated/{kind.collection}",
        "items": items,
        "selfLink": f"{BASE}projects/{call.project}/aggregated/{kind.collection}",
    }
    if token:
        answer["nextPageToken"] = token
    return answer


def check_labels(labels):
    if len(labels) > 64:
        raise invalid("resource.labels", len(labels), "At most 64 labels.")
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key):
            raise invalid(
                "resource.labels",
                key,
                f"Label key '{key}' violates format constraints. The key must start with a lowercase character, can only contain lowercase letters, numeric characters, underscores and dashes.",
            )
        if not LABEL_VALUE.fullmatch(value):
            raise invalid(
                "resource.labels",
                value,
                f"Label value '{value}' violates format constraints. The value can only contain lowercase letters, numeric characters, underscores and dashes.",
            )


class QuotaExceeded(GoogleError):
    """More than the project may have."""

    def __init__(self, metric, limit, region):
        super().__init__(403, "quotaExceeded", f"Quota '{metric}' exceeded.  Limit: {limit} in region {region}.")


COMMON = {
    "insert": insert,
    "get": get,
    "list": listed,
    "aggregatedList": aggregated,
    "delete": delete,
    "patch": patch,
    "update": update,
    "setLabels": set_labels,
}
