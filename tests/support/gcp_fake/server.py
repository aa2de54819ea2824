"""The HTTP side: requests of clients, and the control endpoints of tests under `/_control/`."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import errors


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    world = None

    def log_message(self, *_):
        pass

    def _handle(self):
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        target = urlsplit(self.path)
        if target.path == "/token":
            return self._token(raw)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            return self._send(400, errors.GoogleError(400, "parseError", "Parse Error").body("compute"))
        if target.path.startswith("/_control/"):
            return self._control(target.path.removeprefix("/_control/"), body)
        query = parse_qs(target.query, keep_blank_values=True)
        world = self.world
        with world.lock:
            method, _ = world.spec.find(self.command, target.path)
            delay = world.faults.delay(method.id, target.path.rsplit("/", 1)[-1]) if method else 0
        if delay:
            time.sleep(delay)
        with world.lock:
            status, answer, extra, lost = world.answer(self.command, target.path, query, self.headers, body)
        if lost:
            self.close_connection = True
            self.connection.close()
            return None
        return self._send(status, answer, extra)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _token(self, raw):
        form = parse_qs(raw.decode())
        try:
            with self.world.lock:
                return self._send(200, self.world.keys.exchange(form.get("assertion", [""])[0]))
        except errors.GoogleError as error:
            return self._send(error.code, {"error": error.reason, "error_description": error.message})

    def _control(self, name, body):
        world = self.world
        if name == "wait_held":
            return self._send(200, {"held": world.held.wait(body["seconds"])})
        if name == "release":
            world.released.set()
            return self._send(200, {})
        with world.lock:
            try:
                if name == "reset":
                    world.reset()
                    answer = {}
                elif name == "settings":
                    unknown = set(body) - set(world.settings)
                    if unknown:
                        raise ValueError(f"no settings {sorted(unknown)}")
                    world.settings.update(body)
                    answer = world.settings
                elif name == "faults":
                    if body is not None:
                        world.forget_faults()
                    for rule in body or []:
                        world.faults.add(rule)
                    answer = {"rules": world.faults.rules, "fired": world.faults.fired}
                elif name == "calls":
                    answer = {"calls": world.calls, "violations": world.violations}
                elif name == "forget_calls":
                    world.calls = []
                    answer = {}
                elif name == "resources":
                    answer = world.dump()
                elif name == "tamper":
                    world.tamper(body["path"], body.get("fields"))
                    answer = {}
                elif name == "objects":
                    world.buckets[body["bucket"]]["objects"][body["name"]] = world.store.number()
                    answer = {}
                elif name == "credentials":
                    answer = world.keys.file(world.settings["projects"][0], world.base)
                else:
                    return self._send(404, {"error": f"no control {name}"})
            except (ValueError, KeyError, errors.GoogleError) as error:
                return self._send(400, {"error": str(error)})
            return self._send(200, answer)

    def _send(self, status, body, extra=None):
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        if status != 204:
            self.send_header("Content-Length", str(len(raw)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if status != 204:
            self.wfile.write(raw)


class Server(ThreadingHTTPServer):
    """A thread for each connection. Clients open many at once."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, BrokenPipeError)):
            super().handle_error(request, client_address)


def serve(world_of, port):
    """Binds, prints the address on a line of its own, and serves."""
    server = Server(("127.0.0.1", port), Handler)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    Handler.world = world_of(base)
    print(base, flush=True)
    server.serve_forever()
