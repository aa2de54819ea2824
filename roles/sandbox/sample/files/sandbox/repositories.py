"""The repository service of a storage: makes and removes bare repositories, beside git's own daemon."""

import os
import re
import shutil
import subprocess
import tempfile

from .config import load
from .http_service import Fault, Handler, serve, until_stopped

PATH = re.compile(r"/repositories/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}\.git)")


class Requests(Handler):
    config: dict

    def route(self, method, path, query):
        if not self.bearer(self.config["tokens"]):
            raise Fault(401, "this needs the token", [("WWW-Authenticate", "Bearer")])
        root = self.config["root"]
        if path == "/health" and method == "GET":
            # Reading would succeed on a disk that has become read-only.
            with tempfile.TemporaryFile(dir=root) as file:
                file.write(b"1")
            space = shutil.disk_usage(root)
            self.json({"status": "ok", "node": self.config["node"], "free_bytes": space.free})
            return
        matched = PATH.fullmatch(path)
        if matched is None:
            raise Fault(404, "there is nothing here")
        place = os.path.join(root, matched[1])
        if method == "PUT":
            created = create(place)
            self.json({"path": matched[1], "created": created}, 201 if created else 200)
        elif method == "DELETE":
            remove(place)
            self.json({"path": matched[1]})
        else:
            raise Fault(405, "wrong method")


class Metrics(Handler):
    config: dict

    def route(self, method, path, query):
        if path != "/metrics":
            raise Fault(404, "there is nothing here")
        space = shutil.disk_usage(self.config["root"])
        lines = [
            "# TYPE sandbox_storage_free_bytes gauge",
            f"sandbox_storage_free_bytes {space.free}",
            "# TYPE sandbox_storage_size_bytes gauge",
            f"sandbox_storage_size_bytes {space.total}",
            *Requests.counters.lines(),
        ]
        self.text("\n".join(lines) + "\n", kind="text/plain; version=0.0.4")


def create(place):
    """Makes a bare repository that appears whole or not at all. False where it was there already."""
    if os.path.isdir(place):
        return False
    parent = os.path.dirname(place)
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".new-") as folder:
        made = os.path.join(folder, "repository.git")
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", made], check=True, timeout=20)
        try:
            os.rename(made, place)
        except OSError:
            # Somebody else was faster.
            if not os.path.isdir(place):
                raise
            return False
    return True


def remove(place):
    """Removes a repository at once for everybody who looks, then from the disk."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.dirname(os.path.dirname(place))), prefix=".gone-") as folder:
        try:
            os.rename(place, os.path.join(folder, "repository.git"))
        except FileNotFoundError:
            pass


def main():
    config = load()
    os.makedirs(config["root"], exist_ok=True)
    Requests.config = Metrics.config = config
    if config["metrics"]:
        serve(config["metrics"], Metrics)
    serve(config["listen"], Requests)
    until_stopped()


if __name__ == "__main__":
    main()
