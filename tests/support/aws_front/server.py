"""The HTTP server: reads a call, lets faults happen, refuses, repeats, forwards, and writes the answer."""

import datetime
import email.utils
import json
import socket
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

from . import backend, call as calls, consoles, faults, passages, placement, pricing, quotas, rules, tokens
from .answers import Answer, Refusal, refuse
from .control import Control
from .world import World


class Gone(Exception):
    """The connection breaks without an answer."""


class Front:
    """Everything that one server knows."""

    def __init__(self):
        self.world = World()
        self.control = None

    def serve(self, call, wait_for_caller):
        """The answer to a call. Raises `Gone` where there is none."""
        with backend.LOCK:
            fault = faults.pick(self.world, call) or {}
            entry = self._note(call, fault)
        if fault.get("delay"):
            time.sleep(fault["delay"])
        if fault.get("hang"):
            wait_for_caller()
            raise Gone
        if fault.get("hold") == "before":
            self._hold(entry)
        if fault.get("drop"):
            entry["outcome"] = "dropped before the act"
            raise Gone
        if "html" in fault:
            answer = Answer(fault.get("status", 500), fault["html"].encode(), {"Content-Type": "text/html"}, "html")
        elif "code" in fault:
            answer = refuse(call, fault["code"], fault.get("message", fault["code"]), fault.get("status", 400))
        else:
            with backend.LOCK:
                answer = self._act(call)
        entry["outcome"] = answer.code or "done"
        if fault.get("lost"):
            entry["outcome"] += ", answer lost"
            raise Gone
        if fault.get("hold") == "after":
            self._hold(entry)
        return answer

    def _note(self, call, fault):
        entry = {
            "number": len(self.world.log) + 1,
            "at": time.time(),
            "service": call.service,
            "operation": call.operation,
            "region": call.region,
            "mutates": call.mutates,
            "token": call.params.get("ClientToken"),
            "fault": {key: value for key, value in fault.items() if key not in ("dice", "fired", "skip", "times")},
            "outcome": "under way",
            "params": {k: v for k, v in call.params.items() if k not in ("Action", "Version", "UserData", "ClientToken")},
        }
        if "front-inventory" not in call.headers.get("user-agent", ""):
            self.world.log.append(entry)
        return entry

    def _hold(self, entry):
        entry["outcome"] += ", held"
        self.control.held.set()
        self.control.release.wait(300)
        raise Gone

    def _act(self, call):
        world = self.world
        passages.look(world, call)
        try:
            self._who(call)
            if again := tokens.before(world, call):
                return again
            self._lag(call)
            rules.check(world, call)
            if call.service == "ec2" and call.params.get("DryRun") == "true":
                raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
            answer = self._own(call)
            if answer is None:
                noted = passages.before(world, call)
                answer = backend.forward(call, _body(call))
                made = []
                if answer.status < 300:
                    noted()
                    made = passages.after(world, call, answer)
                    if call.service == "ec2" and call.operation in ("CreateTags", "DeleteTags"):
                        placement.tag(world, call)
                tokens.after(world, call, answer, made)
            return answer
        except Refusal as refusal:
            return refuse(call, refusal.code, refusal.message, refusal.status)

    def _own(self, call):
        """What the front answers by itself."""
        if call.service == "ec2" and call.operation in placement.OPERATIONS:
            used = {one.placement.group_name for one in rules.instances(call.region)}
            return placement.answer(self.world, call, used)
        if call.service == "ec2" and call.operation == "GetConsoleOutput":
            return consoles.answer(call)
        if call.service == "servicequotas":
            return quotas.answer(self.world, call)
        if call.service == "pricing":
            return pricing.answer(self.world, call)
        return None

    def _who(self, call):
        """Credentials that AWS does not take, in each service's own words."""
        state = self.world.settings.credentials
        if state == "valid" or call.access_key == "inventory":
            return
        if state == "expired":
            if call.service == "ec2":
                raise Refusal("RequestExpired", "Request has expired.")
            raise Refusal("ExpiredToken", "The security token included in the request is expired", 403)
        if call.service == "ec2":
            raise Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        if call.service == "s3":
            raise Refusal(
                "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403
            )
        raise Refusal("InvalidClientTokenId", "The security token included in the request is invalid.", 403)

    def _lag(self, call):
        """A new instance that is named is not found at once."""
        if call.operation not in ("DescribeInstances", "CreateTags"):
            return
        for identifier in call.listed("InstanceId") + call.listed("ResourceId"):
            left = self.world.lagging.get(identifier, 0)
            if left > 0:
                self.world.lagging[identifier] = left - 1
                raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{identifier}' does not exist")


def _body(call):
    """The request as moto has to be asked, where it would do something else than AWS."""
    if call.operation == "RunInstances" and call.params.get("MinCount") != call.params.get("MaxCount"):
        # moto starts as many as the least that is wanted, AWS as many as it can.
        return urlencode({**call.params, "MinCount": call.params["MaxCount"]}).encode()
    if call.operation == "DescribeNatGateways" and (wanted := rules.tag_filters(call)):
        # moto finds gateways by anything but their tags.
        nats = backend.state("ec2", call.region).nat_gateways.values()
        found = [nat.id for nat in nats if rules.tagged(nat.get_tags(), wanted)]
        named = call.listed("NatGatewayId")
        found = [one for one in found if not named or one in named] or ["nat-none"]
        rest = {name: value for name, value in call.params.items() if not name.startswith("NatGatewayId")}
        return urlencode({**rest, **{f"NatGatewayId.{index}": one for index, one in enumerate(found, 1)}}).encode()
    return call.body


def handler(front):
    """The handler class for a front."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def answer(self):
            body = self._read()
            if self.path.startswith("/_front/"):
                self._control(body)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = calls.read(self.command, self.path, headers, body)
            try:
                answer = front.serve(call, self._until_caller_goes)
            except Exception as error:
                if not isinstance(error, Gone):
                    # A fault of the front or of moto: the test that runs into it shall see it as what it is.
                    traceback.print_exc()
                    self._write(refuse(call, "FrontFailed", repr(error), 500))
                    return
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

        def _read(self):
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                pieces = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return b"".join(pieces)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _until_caller_goes(self):
            self.connection.settimeout(300)
            self.connection.recv(1, socket.MSG_PEEK)

        def _control(self, body):
            try:
                document = front.control.answer(self.command, self.path[len("/_front/") :], body)
            except (ValueError, KeyError) as error:
                self._write(Answer(400, json.dumps({"error": str(error)}).encode()))
                return
            if document is None:
                self._write(Answer(404, b'{"error": "no such thing"}'))
                return
            self._write(Answer(200, json.dumps(document, default=_plain).encode(), {"Content-Type": "application/json"}))

        def _write(self, answer):
            self.send_response_only(answer.status)
            now = time.time() + front.world.settings.clock_offset
            self.send_header("Date", email.utils.formatdate(now, usegmt=True))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.wfile.flush()

        def log_message(self, *_):
            pass

    return Handler


def _plain(value):
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def start(port=0):
    """Starts a front on the loopback interface; returns the server, which knows its port."""
    front = Front()
    server = Server(("127.0.0.1", port), handler(front))
    front.control = Control(front.world, f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
