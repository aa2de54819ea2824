"""git over HTTP in front of git's own daemon.

The daemon speaks git's stateful protocol, HTTP clients the stateless one. Each request opens a connection to the daemon
and skips the part of the conversation that an earlier request had already:
- fetching needs protocol version 2, in which each request is complete in itself;
- pushing sends commands and a pack after the list of refs, which is repeated and thrown away.
"""

import socket

from .http_service import Fault

FLUSH = b"0000"
SERVICES = ("git-upload-pack", "git-receive-pack")
# A daemon that packs a large repository is silent for long.
SILENCE = 300


class Refused(Fault):
    """The storage does not serve the repository."""


def packet(text):
    """A pkt-line."""
    data = text.encode()
    return b"%04x" % (len(data) + 4) + data


class Conversation:
    """A connection to git's daemon."""

    def __init__(self, storages, storage, service, repository, version):
        self.socket = storages.git(storage)
        self.socket.settimeout(SILENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb", 64 * 1024)
        extra = f"\0version={version}\0" if version else ""
        self.socket.sendall(packet(f"{service} /{repository}\0host={storages.address(storage)}\0{extra}"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.socket.close()

    def advertisement(self):
        """The pkt-lines that the daemon begins with, up to and with the flush."""
        whole = b""
        while True:
            size = self._exactly(4)
            length = int(size, 16)
            line = self._exactly(length - 4) if length > 4 else b""
            if line.startswith(b"ERR "):
                raise Refused(502, f"storage: {line[4:].decode(errors='replace').strip()}")
            whole += size + line
            if size == FLUSH:
                return whole

    def rest(self):
        """Everything that follows, in pieces."""
        while piece := self.input.read1(64 * 1024):
            yield piece

    def _exactly(self, length):
        data = self.input.read(length)
        if len(data) != length:
            raise Fault(502, "the storage ended the conversation early")
        return data


def advertise(handler, storages, project, service):
    """Answers `info/refs`."""
    version = 2 if service == "git-upload-pack" else 0
    if version and "version=2" not in handler.headers.get("Git-Protocol", "").split(":"):
        body = packet(f"# service={service}\n") + FLUSH
        body += packet("ERR this server needs git's protocol version 2: set protocol.version=2, or use git 2.26 or later")
    else:
        with Conversation(storages, project["storage"], service, storages.path(project["id"]), version) as conversation:
            body = conversation.advertisement()
        if not version:
            body = packet(f"# service={service}\n") + FLUSH + body
    handler.text(body, kind=f"application/x-{service}-advertisement")


def exchange(handler, storages, project, service):
    """Answers a POST to one of the services."""
    version = 2 if service == "git-upload-pack" else 0
    with Conversation(storages, project["storage"], service, storages.path(project["id"]), version) as conversation:
        conversation.advertisement()
        for piece in handler.body():
            conversation.socket.sendall(piece)
        # Nothing more comes from us: after its answer the daemon ends the conversation.
        conversation.socket.shutdown(socket.SHUT_WR)
        handler.send_response(200)
        handler.send_header("Content-Type", f"application/x-{service}-result")
        handler.send_header("Cache-Control", "no-cache")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        tail = b""
        for piece in conversation.rest():
            handler.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            handler.wfile.flush()
            tail = (tail + piece)[-4:]
        # Every whole answer ends with a flush; one that does not was cut off, and the client must see that.
        if tail not in (FLUSH, b""):
            handler.close_connection = True
            return
        handler.wfile.write(b"0\r\n\r\n")
