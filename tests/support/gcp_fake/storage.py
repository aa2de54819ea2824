"""Buckets, their policies and the objects in them."""

import copy
import re

import filters
from errors import GoogleError
from store import digest, now

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
LABEL = re.compile(r"[a-z0-9_-]{0,63}")


def insert(call):
    body, project = copy.deepcopy(call.body), call.query["project"][0]
    name = body.get("name", "")
    if not NAME.fullmatch(name) or name.startswith("goog") or "google" in name:
        raise GoogleError(400, "invalid", f"Invalid bucket name: '{name}'")
    taken = call.fake.buckets.get(name)
    if taken:
        own = taken["project"] == project
        raise GoogleError(
            409,
            "conflict",
            (
                "Your previous request to create the named bucket succeeded and you already own it."
                if own
                else "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
            ),
        )
    access = body.setdefault("iamConfiguration", {})
    access.setdefault("publicAccessPrevention", "inherited")
    uniform = access.setdefault("uniformBucketLevelAccess", {"enabled": False})
    if uniform["enabled"] and (call.query.get("predefinedAcl") or body.get("acl")):
        raise GoogleError(
            400, "invalid", "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled."
        )
    _labels(body)
    body.update(
        kind="storage#bucket",
        id=name,
        projectNumber="123456789012",
        metageneration="1",
        timeCreated=now(),
        updated=now(),
        location=body.get("location", "US").upper(),
        locationType="region" if "-" in body.get("location", "US") else "multi-region",
        selfLink=f"https://www.googleapis.com/storage/v1/b/{name}",
    )
    body.setdefault("storageClass", "STANDARD")
    body["etag"] = digest(body)
    policy = {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{name}",
        "version": 1,
        "bindings": [{"role": "roles/storage.legacyBucketOwner", "members": [f"projectOwner:{project}"]}],
    }
    call.fake.buckets[name] = {"project": project, "body": body, "policy": policy, "objects": {}}
    return body


def _labels(body):
    for key, value in body.get("labels", {}).items():
        if not key or not LABEL.fullmatch(key) or not LABEL.fullmatch(value or ""):
            raise GoogleError(400, "invalid", f"Invalid label {key}={value}.")
    if len(body.get("labels", {})) > 64:
        raise GoogleError(400, "invalid", "At most 64 labels.")


def _bucket(call):
    name = call.names["bucket"]
    if name not in call.fake.buckets:
        raise GoogleError(404, "notFound", "The specified bucket does not exist.")
    return call.fake.buckets[name]


def _guarded(call, body):
    wanted = call.query.get("ifMetagenerationMatch", [body["metageneration"]])[0]
    if wanted != body["metageneration"]:
        raise GoogleError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def get(call):
    return _bucket(call)["body"]


def listed(call):
    project, prefix = call.query["project"][0], call.query.get("prefix", [""])[0]
    found = [
        one["body"]
        for name, one in sorted(call.fake.buckets.items())
        if one["project"] == project and name.startswith(prefix)
    ]
    items, token = filters.page(found, call.query, 1000, 1000)
    return {
        "kind": "storage#buckets",
        **({"items": items} if items else {}),
        **({"nextPageToken": token} if token else {}),
    }


def patch(call):
    body = _bucket(call)["body"]
    _guarded(call, body)
    wanted = copy.deepcopy(call.body)
    if "labels" in wanted:
        merged = {**body.get("labels", {}), **(wanted.pop("labels") or {})}
        wanted["labels"] = {key: value for key, value in merged.items() if value is not None}
        _labels(wanted)
    for name in ("iamConfiguration",):
        if name in wanted:
            wanted[name] = {**body.get(name, {}), **wanted[name]}
    body.update(wanted)
    body.update(metageneration=str(int(body["metageneration"]) + 1), updated=now())
    body["etag"] = digest({name: value for name, value in body.items() if name != "etag"})
    return body


def delete(call):
    bucket = _bucket(call)
    if bucket["objects"]:
        raise GoogleError(409, "conflict", "The bucket you tried to delete is not empty.")
    del call.fake.buckets[call.names["bucket"]]
    return None


def policy(call):
    found = _bucket(call)["policy"]
    return {**found, "etag": digest(found)}


def set_policy(call):
    bucket, wanted = _bucket(call), copy.deepcopy(call.body)
    etag = wanted.pop("etag", None)
    if etag and etag != digest(bucket["policy"]):
        raise GoogleError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
    for binding in wanted.get("bindings", []):
        if not binding.get("role") or not binding.get("members"):
            raise GoogleError(400, "invalid", "A binding has a role and members.")
        for member in binding["members"]:
            email = member.removeprefix("serviceAccount:")
            if member.startswith("serviceAccount:") and email not in call.fake.accounts(
                email.split("@")[-1].split(".")[0]
            ):
                raise GoogleError(400, "invalid", f"Service account {email} does not exist.")
            if (
                member in ("allUsers", "allAuthenticatedUsers")
                and bucket["body"]["iamConfiguration"]["publicAccessPrevention"] == "enforced"
            ):
                raise GoogleError(
                    412,
                    "conditionNotMet",
                    "One or more users named in the policy do not belong to a permitted customer, perhaps due to public access prevention.",
                )
    bucket["policy"] = {
        "kind": "storage#policy",
        "resourceId": bucket["policy"]["resourceId"],
        "version": wanted.get("version", 1),
        "bindings": wanted.get("bindings", []),
    }
    return policy(call)


def objects(call):
    bucket, prefix = _bucket(call), call.query.get("prefix", [""])[0]
    found = [
        {"kind": "storage#object", "name": name, "bucket": call.names["bucket"], "generation": generation, "size": "1"}
        for name, generation in sorted(bucket["objects"].items())
        if name.startswith(prefix)
    ]
    items, token = filters.page(found, call.query, 1000, 1000)
    return {
        "kind": "storage#objects",
        **({"items": items} if items else {}),
        **({"nextPageToken": token} if token else {}),
    }


def delete_object(call):
    bucket, name = _bucket(call), call.names["object"]
    if name not in bucket["objects"]:
        raise GoogleError(404, "notFound", f"No such object: {call.names['bucket']}/{name}")
    del bucket["objects"][name]
    return None


METHODS = {
    "storage.buckets.insert": insert,
    "storage.buckets.get": get,
    "storage.buckets.list": listed,
    "storage.buckets.patch": patch,
    "storage.buckets.delete": delete,
    "storage.buckets.getIamPolicy": policy,
    "storage.buckets.setIamPolicy": set_policy,
    "storage.objects.list": objects,
    "storage.objects.delete": delete_object,
}
