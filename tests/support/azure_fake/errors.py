"""What Azure answers when it refuses. Codes and texts are from Microsoft's documentation and from memory of the real
service; no real cloud was asked while this was written."""


class ArmError(Exception):
    """An answer that is not a success."""

    def __init__(self, status, code, message, headers=None, details=None):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}
        self.details = details or []

    def body(self):
        error = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def bad(code, message):
    return ArmError(400, code, message)


def conflict(code, message):
    return ArmError(409, code, message)


def missing(what):
    """Of one resource."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{what.type}/{what.name}' under resource group '{group_name(what)}' was not found.",
    )


def missing_group(name):
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def group_name(what):
    return (what.group or "").rsplit("/", 1)[-1]
