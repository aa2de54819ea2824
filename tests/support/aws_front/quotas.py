"""Service Quotas for the quotas that the front keeps. moto answers with an error page."""

import json

from .answers import Refusal, json_answer
from .world import QUOTAS


def answer(world, call):
    """GetServiceQuota, ListServiceQuotas and their defaults."""
    asked = json.loads(call.body or b"{}")
    service = asked.get("ServiceCode")
    default = "Default" in call.operation
    found = {code: quota for code, quota in QUOTAS.items() if quota[0] == service}
    values = {code: quota[2] if default else world.settings.quotas[code] for code, quota in found.items()}
    if call.operation.startswith("List"):
        return json_answer({"Quotas": [_quota(code, found[code], value) for code, value in values.items()]})
    code = asked.get("QuotaCode")
    if code not in found:
        raise Refusal("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return json_answer({"Quota": _quota(code, found[code], values[code])})


def _quota(code, quota, value):
    service, name, _ = quota
    return {
        "ServiceCode": service,
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
