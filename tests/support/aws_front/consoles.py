"""Consoles of instances: what cloud-init writes there at the first start, and nothing before the machine runs."""

import base64
import hashlib

from . import rules
from .answers import Refusal, ec2


def host_key(identifier):
    """The Ed25519 host key of an instance: always the same for one instance."""
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + hashlib.sha256(identifier.encode()).digest()
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def answer(call):
    """GetConsoleOutput."""
    wanted = call.params.get("InstanceId")
    found = next((one for one in rules.instances(call.region, alive=False) if one.id == wanted), None)
    if found is None:
        raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{wanted}' does not exist")
    text = ""
    if found.state == "running":
        text = (
            "[   11.2] cloud-init: Generating public/private ed25519 key pair.\n"
            "-----BEGIN SSH HOST KEY KEYS-----\n"
            f"ecdsa-sha2-nistp256 AAAA root@{wanted}\n{host_key(wanted)} root@{wanted}\n"
            "-----END SSH HOST KEY KEYS-----\n"
        )
    output = base64.b64encode(text.encode()).decode()
    return ec2(
        call.operation,
        f"<instanceId>{wanted}</instanceId><timestamp>2026-01-01T00:00:00.000Z</timestamp><output>{output}</output>",
    )
