"""The nodes that keep repositories, and how the application talks to them."""

import contextlib
import hashlib
import http.client
import json
import socket


class Unavailable(Exception):
    """A storage node did not do what was asked."""


class Unknown(Unavailable):
    """The environment has no such storage, or none any more."""


class Refused(Unavailable):
    """A storage answered, and will not do it."""

    def __init__(self, message, status):
        super().__init__(message)
        self.status = status


class Storages:
    """Every storage node by name."""

    def __init__(self, settings):
        self.token = settings["token"]
        self.http_port = settings["port"]
        self.git_port = settings.get("git_port")
        self.addresses = {node["name"]: node["address"] for node in settings["nodes"]}
        # Those that go for good, as they said when they were asked last.
        self.leaving = set()

    def order(self, project):
        """Names of the storages for a project, best first: each project has its own order, stable for all time."""
        return sorted(self.addresses, key=lambda name: hashlib.sha256(f"{name}/{project}".encode()).digest())

    @staticmethod
    def path(identity):
        """Where the repository of a project lies, below the root of any storage."""
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return f"{digest[:2]}/{digest[2:4]}/{digest}.git"

    def address(self, storage):
        """Address of a storage."""
        try:
            return self.addresses[storage]
        except KeyError:
            raise Unknown(f"storage {storage} is not part of this environment any more") from None

    def request(self, storage, method, path, timeout=10, body=b""):
        """A request to the repository service of a storage. A body that is no text or bytes is sent in pieces."""
        with self.asking(storage, method, path, timeout, body) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    @contextlib.contextmanager
    def asking(self, storage, method, path, timeout, body=b""):
        """The same, with the answer to be read in pieces."""
        connection = http.client.HTTPConnection(self.address(storage), self.http_port, timeout=timeout)
        headers = {"Authorization": f"Bearer {self.token}"}
        if not isinstance(body, bytes):
            headers["Transfer-Encoding"] = "chunked"
        try:
            connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes))
            answer = connection.getresponse()
            if answer.status >= 300:
                said = answer.read().decode(errors="replace")[:400]
                try:
                    said = json.loads(said)["error"]
                except (ValueError, KeyError, TypeError):
                    said = f"{answer.status} {said}"
                raise Refused(f"{storage}: {said}", answer.status)
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{storage}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def create(self, storage, identity):
        """Makes the repository of a project; it may be there already."""
        self.request(storage, "PUT", f"/repositories/{self.path(identity)}")

    def remove(self, storage, identity):
        """Removes the repository of a project; it may be gone already."""
        self.request(storage, "DELETE", f"/repositories/{self.path(identity)}")

    def thaw(self, storage, move, identity):
        """Lets a repository take pushes again, unless a move later than this one wants it as it is."""
        self.request(storage, "DELETE", f"/moves/{move}/{self.path(identity)}/frozen")

    def health(self, storage):
        """Fails unless the storage answers and can write."""
        if self.request(storage, "GET", "/health", timeout=2).get("leaving"):
            self.leaving.add(storage)
        else:
            self.leaving.discard(storage)

    def git(self, storage):
        """A connection to git's own daemon on a storage."""
        try:
            return socket.create_connection((self.address(storage), self.git_port), timeout=3)
        except OSError as error:
            raise Unavailable(f"{storage}: {error}") from error
