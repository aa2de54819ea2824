"""A small HTTP server: threads, JSON, bodies in every encoding that git uses, metrics."""

import collections
import contextlib
import hmac
import json
import signal
import socket
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_LIMIT = 64 * 1024


class Fault(Exception):
    """An answer other than success."""

    def __init__(self, status, message, headers=()):
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def among(given, secrets):
    """Whether a text is one of the secrets; how long that takes tells nothing."""
    return any([hmac.compare_digest(given.encode(), secret.encode()) for secret in secrets])


class Counters:
    """Counters by name and labels."""

    def __init__(self):
        self.lock = threading.Lock()
        self.values = collections.Counter()

    def add(self, name, amount=1, **labels):
        text = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        with self.lock:
            self.values[(name, f"{{{text}}}" if text else "")] += amount

    def lines(self):
        with self.lock:
            values = sorted(self.values.items())
        named = None
        for (name, labels), value in values:
            if name != named:
                yield f"# TYPE {name} counter"
                named = name
            yield f"{name}{labels} {value}"


class Handler(BaseHTTPRequestHandler):
    """Sends a request to `self.route(method, path, query)` of the subclass."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = 75
    counters = Counters()

    def do(self):
        with self.server.work():
            self.answer()
            self.close_connection = self.close_connection or self.server.stopping
            try:
                self.wfile.flush()
            except OSError:
                self.close_connection = True

    def answer(self):
        started = time.monotonic()
        self.sent = None
        self.consumed = self._announced() == 0
        self.body_begun = False
        path, _, query = self.path.partition("?")
        try:
            self.route(self.command, path, query)
        except Fault as fault:
            self.fault(fault)
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - one request must not end the program
            print(f"{self.command} {path}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self.fault(Fault(500, "internal error"))
        if not self.consumed:
            # What is left of the body would be taken for the next request.
            self.close_connection = True
        route = path.split("/", 3)[1] if path.startswith(("/-/", "/api/")) else "git" if ".git/" in path else "page"
        self.counters.add("sandbox_requests_total", method=self.command, route=route, code=self.sent or 0)
        self.counters.add("sandbox_request_seconds_total", round(time.monotonic() - started, 6))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do

    def route(self, method, path, query):
        raise NotImplementedError

    def fault(self, fault):
        if self.sent is not None:
            # The answer has begun: only cutting it off tells the client.
            self.close_connection = True
            return
        self.drain()
        self.json({"error": fault.message}, fault.status, fault.headers)

    def send_response(self, code, message=None):
        self.sent = code
        super().send_response(code, message)

    def text(self, body, status=200, kind="text/plain; charset=utf-8", headers=()):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        for name, value in headers:
            self.send_header(name, value)
        if not self.consumed or self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def json(self, value, status=200, headers=()):
        self.text(json.dumps(value) + "\n", status, "application/json", headers)

    def bearer(self, tokens):
        """Whether the request carries one of these bearer tokens."""
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and among(given.strip(), tokens)

    def _announced(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return None
        try:
            return max(0, int(self.headers.get("Content-Length") or 0))
        except ValueError:
            return None

    def body(self):
        """Pieces of the request's body, decoded."""
        pieces = self._pieces()
        encoding = self.headers.get("Content-Encoding", "identity").lower()
        if encoding in ("", "identity"):
            yield from pieces
        elif encoding in ("gzip", "x-gzip"):
            unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
            for piece in pieces:
                yield unpack.decompress(piece)
            yield unpack.flush()
        else:
            raise Fault(415, f"cannot read the encoding {encoding}")

    def _pieces(self):
        length = self._announced()
        self.body_begun = True
        if length is None:
            while True:
                size = int(self.rfile.readline(64).split(b";")[0], 16)
                if size == 0:
                    break
                yield from self._exactly(size)
                self.rfile.readline(8)
            while self.rfile.readline(1024) not in (b"\r\n", b"\n", b""):
                pass
        else:
            yield from self._exactly(length)
        self.consumed = True

    def _exactly(self, length):
        while length > 0:
            piece = self.rfile.read1(min(length, 64 * 1024))
            if not piece:
                raise ConnectionResetError("the client went away")
            length -= len(piece)
            yield piece

    def drain(self):
        """Reads what is left of a small body, so that the connection can be used again."""
        if not self.consumed and (self._announced() or BODY_LIMIT + 1) <= BODY_LIMIT and self.body_begun is False:
            for _ in self._pieces():
                pass

    def read_json(self, limit=BODY_LIMIT):
        """The request's body as a JSON object."""
        data = bytearray()
        for piece in self.body():
            data += piece
            if len(data) > limit:
                raise Fault(413, "the body is too large")
        try:
            value = json.loads(data or b"{}")
        except ValueError:
            raise Fault(400, "the body is not JSON") from None
        if not isinstance(value, dict):
            raise Fault(400, "the body is not a JSON object")
        return value

    def log_message(self, *_):
        """Requests are counted, not logged."""


class Server(ThreadingHTTPServer):
    """Listens on one address."""

    daemon_threads = True
    request_queue_size = 256
    stopping = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.working = 0
        self.idle = threading.Condition()

    @contextlib.contextmanager
    def work(self):
        """A request that is answered."""
        with self.idle:
            self.working += 1
        try:
            yield
        finally:
            with self.idle:
                self.working -= 1
                self.idle.notify_all()

    def finish(self, notice, patience):
        """Ends: for `notice` seconds it still takes requests, each on a connection that ends with it; then it answers those
        that it has, for `patience` seconds at most."""
        self.stopping = True
        time.sleep(notice)
        self.shutdown()
        self.server_close()
        with self.idle:
            self.idle.wait_for(lambda: self.working == 0, patience)

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, socket.timeout)):
            print(f"{client_address[0]}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def serve(listen, handler):
    """Starts a server in a thread of its own."""
    server = Server(tuple(listen), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    return server


def until_stopped():
    """Returns when the program is asked to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
