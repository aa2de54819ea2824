"""Every type of resource that the fake knows, by its type in lower case."""

from kinds import compute, identity, network, resources, storage

KINDS = {
    kind.type.lower(): kind
    for module in (resources, network, compute, storage, identity)
    for kind in module.kinds()
}
