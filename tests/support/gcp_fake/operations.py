"""Long-running operations: they take time, are seen on the way, and may fail at the end."""

import re
import time
import uuid

from errors import GoogleError, invalid, not_found
from store import BASE, now


class Operation:
    """One act that has begun. Its effect happens when its time has come, whether anybody looks or not."""

    def __init__(self, number, method, project, scope, target, target_id, seconds, request_id):
        self.name = f"operation-{number}-{uuid.uuid4().hex[:12]}"
        self.number, self.method, self.project, self.scope = number, method, project, scope
        self.target, self.target_id, self.request_id = target, target_id, request_id
        self.begun, self.seconds, self.polls = time.monotonic(), seconds, 0
        self.inserted, self.ended = now(), None
        self.effect, self.undo, self.error = None, None, None

    @property
    def due(self):
        return time.monotonic() >= self.begun + self.seconds

    def body(self, first=False):
        """As a client sees it: PENDING in the first answer, at least one poll RUNNING, then DONE."""
        done = self.ended is not None and self.polls > 1 and not first
        status = "DONE" if done else "PENDING" if first else "RUNNING"
        link = f"{BASE}projects/{self.project}/{self.scope}/operations/{self.name}"
        body = {
            "kind": "compute#operation",
            "id": self.number,
            "name": self.name,
            "operationType": self.method.split(".")[-1],
            "targetLink": self.target,
            "targetId": self.target_id,
            "status": status,
            "progress": 100 if done else 0,
            "user": "tester@example.iam.gserviceaccount.com",
            "insertTime": self.inserted,
            "selfLink": link,
        }
        if not first:
            body["startTime"] = self.inserted
        if self.request_id:
            body["clientOperationId"] = self.request_id
        if self.scope != "global":
            kind, place = self.scope.split("/")
            body[kind[:-1]] = f"{BASE}projects/{self.project}/{kind}/{place}"
        if done:
            body["endTime"] = self.ended
            if self.error:
                body["error"] = {"errors": [self.error]}
                body["httpErrorStatusCode"] = self.error_status
                body["httpErrorMessage"] = self.error_word
        return body

    def fail(self, code, message):
        self.error = {"code": code, "message": message}
        capacity = code.startswith("ZONE_RESOURCE_POOL_EXHAUSTED")
        self.error_status = 503 if capacity else 403 if code == "QUOTA_EXCEEDED" else 400
        self.error_word = (
            "SERVICE UNAVAILABLE" if capacity else "FORBIDDEN" if self.error_status == 403 else "BAD REQUEST"
        )


class Operations:
    """All operations, and which request ids were seen."""

    def __init__(self):
        self.all, self.requests = {}, {}

    def begin(self, operation, effect, undo):
        operation.effect, operation.undo = effect, undo
        self.all[(operation.project, operation.scope, operation.name)] = operation
        if operation.request_id:
            self.requests[(operation.project, operation.request_id)] = operation

    def repeated(self, project, method, target, request_id):
        """The operation that a request id stands for already."""
        if request_id is None:
            return None
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id.lower()) or not request_id.strip(
            "0-"
        ):
            raise invalid("requestId", request_id, "Request ids are UUIDs and not zero.")
        found = self.requests.get((project, request_id))
        if found and (found.method, found.target) != (method, target):
            raise GoogleError(400, "invalid", f"Request id {request_id} was used for {found.method} of {found.target}")
        return found

    def settle(self):
        """Lets everything happen whose time has come."""
        for operation in sorted(self.all.values(), key=lambda one: one.begun + one.seconds):
            if operation.ended is None and operation.due:
                operation.ended = now()
                act = operation.undo if operation.error else operation.effect
                if act:
                    act()

    def get(self, project, scope, name):
        key = (project, scope, name)
        if key not in self.all:
            raise not_found(f"projects/{project}/{scope}/operations/{name}")
        self.all[key].polls += 1
        return self.all[key]

    def listed(self, project, scope):
        found = [one for key, one in self.all.items() if key[0] == project and key[1] == scope]
        for one in found:
            one.polls += 1
        return [one.body() for one in found]
