"""The repository service of a storage: makes and removes bare repositories, beside git's own daemon."""

import itertools
import os
import re
import shutil
import subprocess
import tempfile

from . import copies
from .config import load
from .http_service import Fault, Handler, serve, until_stopped

PATH = r"([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}\.git)"
REPOSITORY = re.compile(rf"/repositories/{PATH}(?:/(refs|pack))?")
MOVE = re.compile(rf"/moves/([0-9]+)(?:/{PATH}/(refs|pack|kept|frozen|source))?")
# As many references as a large repository has.
REFS_LIMIT = 64 * 1024 * 1024


class Requests(Handler):
    config: dict

    def route(self, method, path, query):
        if not self.bearer(self.config["tokens"]):
            raise Fault(401, "this needs the token", [("WWW-Authenticate", "Bearer")])
        root = self.config["root"]
        leaving = os.path.join(root, copies.LEAVING)
        if path == "/health" and method == "GET":
            # Reading would succeed on a disk that has become read-only.
            with tempfile.TemporaryFile(dir=root) as file:
                file.write(b"1")
            free = shutil.disk_usage(root).free
            self.json({"status": "ok", "node": self.config["node"], "free_bytes": free, "leaving": os.path.exists(leaving)})
        elif path == "/leaving" and method == "PUT":
            with open(leaving, "w", encoding="utf-8"):
                self.json({"leaving": True})
        elif path == "/repositories" and method == "GET":
            self.json({"repositories": copies.repositories(root)})
        elif matched := REPOSITORY.fullmatch(path):
            self.repository(method, matched[1], matched[2], os.path.exists(leaving))
        elif matched := MOVE.fullmatch(path):
            self.move(method, copies.Move(root, int(matched[1])), matched[2], matched[3])
        else:
            raise Fault(404, "there is nothing here")

    def repository(self, method, path, part, leaving):
        place = os.path.join(self.config["root"], path)
        match method, part:
            case "PUT", None:
                if leaving:
                    raise Fault(409, "this storage leaves, it takes nothing new")
                created = create(place)
                self.json({"path": path, "created": created}, 201 if created else 200)
            case "DELETE", None:
                remove(place)
                self.json({"path": path})
            case "GET", "refs":
                self.json(copies.refs(place))
            case "POST", "pack":
                asked = self.read_json(REFS_LIMIT)
                self.stream(copies.pack(place, asked["want"], asked["have"]))
            case _:
                raise Fault(405, "wrong method")

    def move(self, method, move, path, part):
        match method, part:
            case "PUT", None:
                move.begin()
            case "DELETE", None:
                move.end()
            case "PUT", "pack":
                move.receive(path, self.body())
            case "GET", "refs":
                self.json(move.refs(path))
                return
            case "PUT", "refs":
                asked = self.read_json(REFS_LIMIT)
                self.json(move.set_refs(path, asked["head"], asked["refs"]))
                return
            case "PUT", "kept":
                move.keep(path)
            case "PUT", "frozen":
                move.freeze(path)
            case "DELETE", "frozen":
                move.thaw(path)
            case "DELETE", "source":
                move.drop(path)
            case _:
                raise Fault(405, "wrong method")
        self.json({})

    def stream(self, pieces):
        """An answer that is cut off where making it failed after it began."""
        first = next(pieces, b"")
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in itertools.chain([first] if first else [], pieces):
            self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


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
