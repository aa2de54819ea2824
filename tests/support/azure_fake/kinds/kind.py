"""What is the same for every type of resource; the types themselves override what differs."""

import copy

from errors import bad


class Kind:
    # As Azure spells it: Microsoft.Compute/virtualMachines.
    type = ""
    # The vendor's models of the PUT body, the PATCH body and the answer; none: not possible, or as the PUT body.
    model = None
    patch_model = None
    reply_model = None
    # How a PUT is answered: `sync` 201 or 200; `created` 201 or 200 with Azure-AsyncOperation; `accepted` 202.
    put = "created"
    # How a DELETE is answered: `sync` 200; `accepted` 202 with Azure-AsyncOperation and Location; `location` 202 with
    # Location alone.
    delete = "accepted"
    # Where the operation is looked for: the namespace's own path.
    has_location = True
    has_etag = True
    has_state = True
    has_tags = True
    # Code and text of the refusal to delete what others use; none: nobody minds.
    in_use = None
    # Lists of named parts that have ids of their own.
    parts = ()
    # Times `operation_seconds`.
    slow = 1

    def validate(self, world, arm, body, old):
        """Rules that the models do not know. `old` is what stands there."""

    def complete(self, world, resource):
        """Sets what only the server sets, once the operation has ended well."""

    def removed(self, world, resource):
        """What goes with it."""

    def may_delete(self, world, resource):
        if self.in_use is None:
            return
        for user, path in world.users_of(resource.id.text):
            if user.id.type.lower() in ("microsoft.authorization/locks", "microsoft.authorization/roleassignments"):
                continue
            status_code, text = self.in_use
            raise bad(status_code, text.format(id=resource.id.text, user=user.id.text, path=path, name=resource.id.name))

    def reply(self, world, resource):
        """The body of an answer."""
        body = copy.deepcopy(resource.body)
        body = {"id": resource.id.text, "name": resource.id.name, "type": self.type, **body}
        if self.has_etag:
            body["etag"] = resource.etag
        if self.has_state:
            body.setdefault("properties", {})["provisioningState"] = resource.state
        for part in self.parts:
            for one in body.get("properties", {}).get(part) or []:
                one["id"] = f"{resource.id.text}/{part}/{one['name']}"
                if "etag" in self.part_fields(part):
                    one["etag"] = resource.etag
                if "properties" in one:
                    one["properties"]["provisioningState"] = resource.state
        self.decorate(world, resource, body)
        return body

    def part_fields(self, part):
        return ("etag",)

    def decorate(self, world, resource, body):
        """Adds what follows from other resources."""

    def actions(self):
        """POST below the resource: name -> function(world, resource, query) giving an operation or a body."""
        return {}

    def patched(self, resource, patch):
        """What a PATCH makes of the body."""
        return merge(copy.deepcopy(resource.body), patch)


def merge(base, patch):
    """JSON merge patch."""
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict) and key != "tags":
            merge(base[key], value)
        else:
            base[key] = value
    return base


def property_of(body, *path):
    """A value deep inside, or none."""
    for part in path:
        if not isinstance(body, dict):
            return None
        body = body.get(part)
    return body
