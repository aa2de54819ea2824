"""Client tokens: the same request with the same token gets the same answer, and nothing is made twice.

EC2 keeps a token with the request's parameters. moto ignores them.
"""

import copy

from . import backend
from .answers import Refusal


def before(world, call):
    """The answer that was given before, if this is a repetition."""
    token = _token(call)
    if token is None or token not in world.tokens:
        return None
    params, answer, made = world.tokens[token]
    if params != _compared(call):
        raise Refusal(
            "IdempotentParameterMismatch",
            "The request uses the same client token as a previous, but non-identical request. Do not reuse a client "
            "token with different requests, unless the requests are identical.",
        )
    if call.operation == "RunInstances":
        instances = backend.state("ec2", call.region).get_multi_instances_by_id(made)
        if any(instance.state in ("shutting-down", "terminated") for instance in instances):
            raise Refusal(
                "IdempotentInstanceTerminated",
                "The request to launch an instance uses the same client token as a previous request for which the "
                "instance has been terminated.",
            )
    return copy.copy(answer)


def after(world, call, answer, made):
    """Keeps a good answer. A request that failed may be made again with its token."""
    token = _token(call)
    if token is not None and answer.status < 300:
        world.tokens[token] = (_compared(call), copy.copy(answer), made)


def _token(call):
    given = call.params.get("ClientToken")
    return (call.region, call.operation, given) if given else None


def _compared(call):
    # A signature's and a version's parameters are no part of what is asked for.
    return {name: value for name, value in call.params.items() if name not in ("Version", "DryRun")}
