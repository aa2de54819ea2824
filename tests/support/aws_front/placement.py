"""Placement groups, which moto does not have."""

import secrets
from xml.sax.saxutils import escape

from .answers import Refusal, ec2

OPERATIONS = ("CreatePlacementGroup", "DescribePlacementGroups", "DeletePlacementGroup")


def of(world, region):
    """Groups of a region by name."""
    return world.placement_groups.setdefault(region, {})


def answer(world, call, used):
    """Does what is asked; `used` names the groups that have instances."""
    groups, name = of(world, call.region), call.params.get("GroupName")
    if call.operation == "CreatePlacementGroup":
        if name in groups:
            raise Refusal("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")
        tags = {}
        for specification in call.groups("TagSpecification"):
            index = 1
            while (key := specification.get(f"Tag.{index}.Key")) is not None:
                tags[key] = specification.get(f"Tag.{index}.Value", "")
                index += 1
        groups[name] = {
            "groupName": name,
            "groupId": f"pg-{secrets.token_hex(8)}",
            "strategy": call.params.get("Strategy", "cluster"),
            "spreadLevel": call.params.get("SpreadLevel"),
            "partitionCount": call.params.get("PartitionCount"),
            "tags": tags,
        }
        return ec2(call.operation, f"<return>true</return><placementGroup>{_xml(groups[name])}</placementGroup>")
    if call.operation == "DeletePlacementGroup":
        if name not in groups:
            raise Refusal("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
        if name in used:
            raise Refusal("InvalidPlacementGroup.InUse", f"The placement group '{name}' is in use and may not be deleted.")
        del groups[name]
        return ec2(call.operation, "<return>true</return>")
    named = call.listed("GroupName")
    if missing := [one for one in named if one not in groups]:
        raise Refusal("InvalidPlacementGroup.Unknown", f"The Placement Group '{missing[0]}' is unknown.")
    found = [group for group in groups.values() if (not named or group["groupName"] in named) and _meant(call, group)]
    items = "".join(f"<item>{_xml(group)}</item>" for group in found)
    return ec2(call.operation, f"<placementGroupSet>{items}</placementGroupSet>")


def _meant(call, group):
    for wanted in call.groups("Filter"):
        name = wanted.get("Name", "")
        values = {value for key, value in wanted.items() if key.startswith("Value.")}
        if name.startswith("tag:"):
            found = group["tags"].get(name[4:])
        elif name == "tag-key":
            if not values & set(group["tags"]):
                return False
            continue
        else:
            found = {"group-name": group["groupName"], "state": "available", "strategy": group["strategy"]}.get(name)
        if found not in values:
            return False
    return True


def tag(world, call):
    """CreateTags and DeleteTags on placement groups: moto keeps tags for any id, but knows no group."""
    for identifier in call.listed("ResourceId"):
        for group in of(world, call.region).values():
            if group["groupId"] != identifier:
                continue
            for one in call.groups("Tag"):
                if call.operation == "CreateTags":
                    group["tags"][one["Key"]] = one.get("Value", "")
                else:
                    group["tags"].pop(one["Key"], None)


def _xml(group):
    fields = "".join(
        f"<{name}>{escape(group[name])}</{name}>"
        for name in ("groupName", "groupId", "strategy", "spreadLevel", "partitionCount")
        if group[name]
    )
    tags = "".join(
        f"<item><key>{escape(key)}</key><value>{escape(value)}</value></item>" for key, value in group["tags"].items()
    )
    return f"{fields}<state>available</state><tagSet>{tags}</tagSet>"
