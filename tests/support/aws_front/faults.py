"""Faults on order: errors, silence, answers lost after the act."""

import fnmatch
import random

# A fault is a dictionary:
#   operation, service  which calls, with shell wildcards (default: all)
#   mutating            true: only calls that change something
#   params              {name: pattern}: all must match
#   skip                calls that pass before the first fault (default 0)
#   times               how often (default: always)
#   chance, seed        only this share of them, by a generator of its own
# and what happens:
#   code, status, message   refused before anything is done
#   html                    an HTML page with `status`, as a broken proxy or an operation that is not there gives it
#   lost                    done, but the connection breaks before the answer
#   drop                    not done, and the connection breaks
#   delay                   seconds before the act
#   hang                    true: not done, no answer until the caller goes away
#   hold                    "before" or "after" the act: no answer until the control endpoint says `release`
KEYS = {
    "service", "operation", "mutating", "params", "skip", "times", "chance", "seed", "code", "status", "message", "html",
    "lost", "drop", "delay", "hang", "hold",
}  # fmt: skip


def order(world, faults):
    """Takes the place of all faults that were on order."""
    for fault in faults:
        if unknown := set(fault) - KEYS:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    world.faults = [
        {"skip": 0, "times": None, **fault, "fired": 0, "dice": random.Random(fault.get("seed", 0))} for fault in faults
    ]


def pick(world, call):
    """The first fault on order that is for this call."""
    for fault in world.faults:
        if not _meant(fault, call):
            continue
        if fault["skip"] > 0:
            fault["skip"] -= 1
            continue
        if fault["times"] is not None and fault["fired"] >= fault["times"]:
            continue
        if fault.get("chance") is not None and fault["dice"].random() >= fault["chance"]:
            continue
        fault["fired"] += 1
        return fault
    return None


def _meant(fault, call):
    if fault.get("mutating") and not call.mutates:
        return False
    return (
        fnmatch.fnmatchcase(call.operation, fault.get("operation", "*"))
        and fnmatch.fnmatchcase(call.service, fault.get("service", "*"))
        and all(
            fnmatch.fnmatchcase(call.params.get(name, ""), pattern)
            for name, pattern in fault.get("params", {}).items()
        )
    )
