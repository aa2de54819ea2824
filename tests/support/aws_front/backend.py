"""moto itself: in this process, so that what it keeps can be looked at; one call at a time, as it was not written for more."""

import io
import os
import pathlib
import re
import threading

os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "1")
os.environ.setdefault("MOTO_ENABLE_KEYPAIR_VALIDATION", "1")
os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "1")
# moto's own images are of 2017, and many: those of today's Debian and Ubuntu instead, each in two builds.
os.environ.setdefault("MOTO_AMIS_PATH", str(pathlib.Path(__file__).parent / "amis.json"))

from moto.backends import get_backend  # noqa: E402
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT  # noqa: E402
from moto.core.base_backend import BackendDict  # noqa: E402
from moto.core.model_instances import reset_model_data  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402

from .answers import Answer  # noqa: E402

LOCK = threading.RLock()
_APP = DomainDispatcherApplication(create_backend_app)
_ROOTS = [(b"GetBucketVersioningResponse", b"VersioningConfiguration")]
_CODE = re.compile(rb"<Code>([^<]+)</Code>")


def state(service, region):
    """What moto keeps for a service: its own objects."""
    return get_backend(service)[ACCOUNT][region]


def forward(call, body=None):
    """moto's answer."""
    body = call.body if body is None else body
    environ = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": call.path,
        "QUERY_STRING": call.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in call.headers.items():
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value
        elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            environ[f"HTTP_{key}"] = value
    started = {}

    def start(status, headers, _error=None):
        started["status"], started["headers"] = int(status.split()[0]), headers
        return lambda _data: None

    pieces = _APP(environ, start)
    try:
        data = b"".join(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    # Names of roots that AWS does not have; a strict client reads nothing in them.
    for wrong, right in _ROOTS:
        data = data.replace(wrong, right)
    headers = {
        name: value
        for name, value in started["headers"]
        if name.lower() not in ("content-length", "connection", "server", "date", "transfer-encoding")
    }
    answer = Answer(started["status"], data, headers)
    if answer.status >= 400:
        found = _CODE.search(data)
        answer.code = found.group(1).decode() if found else headers.get("x-amzn-ErrorType", str(answer.status))
    return answer


def reset():
    """Empties moto: what is left is a fresh account with its default network."""
    BackendDict.reset()
    reset_model_data()
