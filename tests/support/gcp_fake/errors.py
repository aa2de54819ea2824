"""Refusals in the shapes that Google's services use."""

STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class GoogleError(Exception):
    """An answer that is not 2xx. `reason` is what `errors[].reason` says."""

    def __init__(self, code, reason, message, details=None):
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details or []

    def body(self, api):
        error = {"code": self.code, "message": self.message}
        if api in ("compute", "storage"):
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
        if api != "storage":
            error["status"] = STATUS_WORDS.get(self.code, "UNKNOWN")
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(field, value, why):
    return GoogleError(400, "invalid", f"Invalid value for field '{field}': '{value}'. {why}")


def required(field):
    return GoogleError(400, "required", f"Required field '{field}' not specified")


def not_found(path):
    return GoogleError(404, "notFound", f"The resource '{path}' was not found")


def exists(path):
    return GoogleError(409, "alreadyExists", f"The resource '{path}' already exists")


def in_use(path, by):
    return GoogleError(
        400,
        "resourceInUseByAnotherResource",
        f"The {path.split('/')[-2]} resource '{path}' is already being used by '{by}'",
    )


def not_ready(path):
    return GoogleError(400, "resourceNotReady", f"The resource '{path}' is not ready")


def fingerprint(what):
    return GoogleError(412, "conditionNotMet", f"Supplied fingerprint does not match current {what} fingerprint.")


def disabled(service, project):
    name = {
        "compute.googleapis.com": "Compute Engine API",
        "iam.googleapis.com": "Identity and Access Management (IAM) API",
    }
    link = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
    return GoogleError(
        403,
        "accessNotConfigured",
        f"{name.get(service, service)} has not been used in project {project} before or it is disabled. "
        f"Enable it by visiting {link} then retry.",
        [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
                "metadata": {"service": service, "consumer": f"projects/{project}"},
            }
        ],
    )


def denied(permission, resource):
    return GoogleError(403, "forbidden", f"Required '{permission}' permission for '{resource}'")
