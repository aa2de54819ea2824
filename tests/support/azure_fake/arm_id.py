"""Resource ids: /subscriptions/S/resourceGroups/G/providers/Namespace/type/name[/type/name]. Case does not matter."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArmId:
    """A parsed id. `scope` is what stands before the last `/providers/`."""

    text: str
    scope: str
    namespace: str
    types: tuple
    names: tuple

    @property
    def key(self):
        return self.text.lower()

    @property
    def type(self):
        return "/".join((self.namespace, *self.types))

    @property
    def name(self):
        return self.names[-1]

    @property
    def group(self):
        """The resource group's id, in lower case; none for what stands above groups."""
        parts = self.text.split("/")
        return "/".join(parts[:5]).lower() if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None

    @property
    def parent(self):
        """The resource that this one is a part of; none where it stands on its own."""
        if len(self.names) < 2:
            return None
        return parse(self.text.rsplit("/", 2)[0])


def parse(text):
    """The id, or none where it is no resource's."""
    text = "/" + text.strip("/")
    lower = text.lower()
    parts = text.split("/")
    if len(parts) == 5 and parts[1].lower() == "subscriptions" and parts[3].lower() == "resourcegroups":
        return ArmId(text, "/".join(parts[:3]), "Microsoft.Resources", ("resourceGroups",), (parts[4],))
    at = lower.rfind("/providers/")
    if at < 0:
        return None
    rest = text[at + len("/providers/") :].split("/")
    if len(rest) < 3 or len(rest) % 2 == 0:
        return None
    return ArmId(text, text[:at], rest[0], tuple(rest[1::2]), tuple(rest[2::2]))


def references(body, path=""):
    """Every `{"id": …}` inside a body, with the path to it; the body's own id is not one."""
    if isinstance(body, dict):
        for key, value in body.items():
            here = f"{path}.{key}" if path else key
            if key.lower() == "id" and path and isinstance(value, str) and value.startswith("/"):
                yield path, value
            else:
                yield from references(value, here)
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from references(value, f"{path}[{index}]")
