"""One call of an AWS API, as it came over HTTP."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

READING = ("Describe", "Get", "List", "Head", "Lookup", "Search", "Decode", "Simulate")
_SCOPE = re.compile(r"Credential=([^/,]+)/\d{8}/([^/,]+)/([^/,]+)/aws4_request")


@dataclass
class Call:
    """A call: which operation of which service, with which parameters, asked for by whom."""

    method: str
    path: str
    query: str
    headers: dict
    body: bytes
    service: str = ""
    operation: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    params: dict = field(default_factory=dict)
    """Parameters of a Query API (EC2, ELB, IAM, STS), flat as they are sent: `TagSpecification.1.Tag.1.Key`."""
    were: dict = field(default_factory=dict)
    """State of each instance that the call names, before it was done."""

    @property
    def mutates(self):
        return not self.operation.startswith(READING)

    def listed(self, prefix):
        """The values of `InstanceId.1`, `InstanceId.2`, ..."""
        found, index = [], 1
        while (name := f"{prefix}.{index}") in self.params:
            found.append(self.params[name])
            index += 1
        return found

    def groups(self, prefix):
        """`BlockDeviceMapping.1.Ebs.Iops`, ... as one dictionary of the rest of the name for each index."""
        found, index = [], 1
        while True:
            start = f"{prefix}.{index}."
            group = {name[len(start) :]: value for name, value in self.params.items() if name.startswith(start)}
            if not group:
                return found
            found.append(group)
            index += 1


def read(method, target, headers, body):
    """Says which operation a request is: from the signature's scope, `X-Amz-Target`, `Action`, or S3's method and path."""
    path, _, query = target.partition("?")
    call = Call(method, unquote(path), query, headers, body)
    if scope := _SCOPE.search(headers.get("authorization", "")):
        call.access_key, call.region, call.service = scope.groups()
    if target_header := headers.get("x-amz-target"):
        call.operation = target_header.rpartition(".")[2]
        if not call.service:
            call.service = target_header.partition(".")[0].lower()
    elif headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        call.params = dict(parse_qsl(body.decode(), keep_blank_values=True))
        call.operation = call.params.get("Action", "")
    elif call.service in ("", "s3"):
        call.service = "s3"
        call.operation = _s3(call)
    return call


# Sub-resources of a bucket that have operations of their own.
_S3_PARTS = {
    "versioning": "BucketVersioning",
    "encryption": "BucketEncryption",
    "publicAccessBlock": "PublicAccessBlock",
    "tagging": "BucketTagging",
    "policy": "BucketPolicy",
    "lifecycle": "BucketLifecycleConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "location": "BucketLocation",
}
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}


def _s3(call):
    bucket, _, key = call.path.strip("/").partition("/")
    parts = {part.partition("=")[0] for part in call.query.split("&") if part}
    verb = _VERBS.get(call.method, call.method)
    if not bucket:
        return "ListBuckets"
    if key:
        return f"{verb}Object"
    for part, name in _S3_PARTS.items():
        if part in parts:
            return f"{verb}{name}"
    if "versions" in parts:
        return "ListObjectVersions"
    if "delete" in parts:
        return "DeleteObjects"
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "HEAD": "HeadBucket"}.get(call.method, "ListObjectsV2")
