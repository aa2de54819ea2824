"""The nodes that keep repositories, and how the application talks to them."""

import hashlib
import http.client
import json
import socket


class Unavailable(Exception):
    """A storage node did not do what was asked."""


class Storages:
    """Every storage node by name."""

    def __init__(self, settings):
        self.token = settings["token"]
        self.http_port = settings["port"]
        self.git_port = settings.get("git_port")
        self.addresses = {node["name"]: node["address"] for node in settings["nodes"]}

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
            raise Unavailable(f"storage {storage} is not part of this environment any more") from None

    def request(self, storage, method, path, timeout=10):
        """A request to the repository service of a storage."""
        connection = http.client.HTTPConnection(self.address(storage), self.http_port, timeout=timeout)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {self.token}", "Content-Length": "0"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{storage}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise Unavailable(f"{storage}: {answer.status} {body.decode(errors='replace')[:200]}")
        return json.loads(body) if body else None

    def create(self, storage, identity):
        """Makes the repository of a project; it may be there already."""
        self.request(storage, "PUT", f"/repositories/{self.path(identity)}")

    def remove(self, storage, identity):
        """Removes the repository of a project; it may be gone already."""
        self.request(storage, "DELETE", f"/repositories/{self.path(identity)}")

    def health(self, storage):
        """Fails unless the storage answers and can write."""
        self.request(storage, "GET", "/health", timeout=2)

    def git(self, storage):
        """A connection to git's own daemon on a storage."""
        try:
            return socket.create_connection((self.address(storage), self.git_port), timeout=3)
        except OSError as error:
            raise Unavailable(f"{storage}: {error}") from error
