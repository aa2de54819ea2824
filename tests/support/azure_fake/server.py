"""A strict Azure Resource Manager on the loopback interface.

    python server.py --models MODELS.json [--port 0]

Prints `listening on PORT` when it takes calls. `faults.py` says how a test steers it, README.md what it knows.
"""

import argparse
import json
import socket
import sys
import threading
import time
import traceback
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

import faults
import identity_service
import reading
from errors import ArmError
from kinds import KINDS
from router import Answer, Router
from schema import Schema
from world import World

READS, WRITES = 11999, 1199


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answers go out in one piece: otherwise the client's delayed acknowledgement makes each call 40 ms long.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do(self):
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {key.lower(): value for key, value in self.headers.items()}
        raw = self.rfile.read(int(headers.get("content-length") or 0))
        self.request_id = str(uuid.uuid4())
        try:
            self.send(self.answer(path, query, headers, raw))
        except faults.Lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except ArmError as error:
            self.send(Answer(error.status, error.body(), error.headers))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:  # a fault of this server: say so, so that no test takes it for Azure's answer
            traceback.print_exc()
            self.send(Answer(500, {"error": {"code": "FaultOfTheFake", "message": repr(error)}}))

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = do

    def answer(self, path, query, headers, raw):
        world = self.server.world
        if path.lower().endswith("/oauth2/v2.0/token"):
            form = dict(parse_qsl(raw.decode()))
            with world.lock:
                return Answer(200, identity_service.token(world, path, form, headers))
        if path.startswith("/metadata/identity/"):
            with world.lock:
                return Answer(200, identity_service.machine_token(world, query, headers))
        if path == "/api/retail/prices":
            return Answer(200, reading.prices(query))
        if path.startswith("/_console/"):
            return self.console(world, path.removeprefix("/_console"), headers)
        try:
            body = json.loads(raw) if raw else None
        except ValueError as error:
            raise ArmError(400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: {error}")
        if path.startswith("/_fake/"):
            with world.lock:
                return Answer(200, faults.control(world, self.command, path, body))
        return self.resource_manager(world, path, query, headers, body)

    def resource_manager(self, world, path, query, headers, body):
        call = {"at": round(time.time(), 3), "method": self.command, "path": path, "query": query}
        if body is not None:
            call["body"] = body
        with world.lock:
            world.log.append(call)
            rule = faults.taken(world, self.command, path)
            try:
                identity_service.need(world, headers)
                self.need_patience(world, path)
                faults.before(rule)
                if self.command in faults.CHANGES:
                    world.throttle()
                if rule and rule.get("hold") == "request":
                    answer = None
                else:
                    router = Router(world, self.server.schema, f"http://{headers.get('host', 'localhost')}")
                    error = rule.get("operation_error") if rule else None
                    answer = router.route(self.command, path, query, headers, body, error)
                    self.need_valid(world, path, answer)
                    call["status"] = answer.status
            except ArmError as error:
                call["status"], call["error"] = error.status, error.code
                if error.status == 429:
                    world.not_before[(self.command, path)] = world.now() + float(error.headers.get("Retry-After", 0))
                # A refusal (somebody else's change is on its way) is held back too: the test waits for this call.
                if not (rule and rule.get("hold")):
                    raise
                answer = None
            except faults.Lost:
                call["lost"] = True
                raise
        if rule and rule.get("hold"):
            call["held"] = True
            self.hold()
        if rule and rule.get("lost") == "answer":
            call["lost"] = True
            raise faults.Lost
        return answer

    def console(self, world, key, headers):
        if "authorization" in headers:
            world.violations.append("a token was sent to the storage of a console's log")
        with world.lock:
            found = world.resources.get(key)
            if found is None:
                raise ArmError(404, "BlobNotFound", "The specified blob does not exist.")
            return Answer(200, reading.console(world, found))

    def hold(self):
        """Says nothing until the caller is gone."""
        self.connection.settimeout(300)
        try:
            while self.connection.recv(1024):
                pass
        except OSError:
            pass
        raise faults.Lost

    def need_patience(self, world, path):
        """Whoever was told to wait must wait."""
        earliest = world.not_before.pop((self.command, path), 0)
        if world.now() < earliest - 0.02:
            world.violations.append(f"{self.command} {path} came {earliest - world.now():.2f} s before Retry-After was over")

    def need_valid(self, world, path, answer):
        """This server's own answers must fit the vendor's models too."""
        bodies = answer.body.get("value", [answer.body]) if isinstance(answer.body, dict) else []
        for body in bodies if isinstance(bodies, list) else []:
            kind = world.kinds.get(body.get("type", "").lower()) if isinstance(body, dict) else None
            if kind and set(body) - {"id", "name", "type", "location", "tags"}:
                found = self.server.schema.check_reply(kind.reply_model, body)
                if found:
                    raise ArmError(500, "FaultOfTheFake", f"this server's own answer to {path} is not valid: {'; '.join(found)}")

    def send(self, answer):
        plain = isinstance(answer.body, str)
        data = b"" if answer.body is None else answer.body.encode() if plain else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("x-ms-request-id", self.request_id)
        self.send_header("x-ms-correlation-request-id", self.request_id)
        kind, left = ("reads", READS) if self.command in ("GET", "HEAD") else ("writes", WRITES)
        self.send_header(f"x-ms-ratelimit-remaining-subscription-{kind}", str(left))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if data:
            self.send_header("Content-Type", "text/plain" if plain else "application/json; charset=utf-8")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *_):
        """The log is kept in memory, for the tests to ask for."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # Tests kill their clients: that a connection broke between two calls is no fault of this server.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(models, port=0):
    """Starts it; gives the server, which takes calls at once."""
    with open(models, encoding="utf-8") as file:
        schema = Schema(json.load(file))
    server = Server(("127.0.0.1", port), Handler)
    server.world, server.schema = World(KINDS), schema
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", required=True)
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    server = serve(chosen.models, chosen.port)
    print(f"listening on {server.server_port}", flush=True)
    # Whoever started it holds the other end: when that is gone, so is this server.
    sys.stdin.read()


if __name__ == "__main__":
    main()
