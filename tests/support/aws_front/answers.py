"""Answers in AWS's own envelopes: what an SDK parses as an error is an error of the right kind and code."""

import json
import uuid
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

EC2_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict = field(default_factory=dict)
    code: str = ""
    """The error's code, where it is an error."""


class Refusal(Exception):
    """What AWS says instead of doing it."""

    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def refuse(call, code, message, status=400):
    """An error in the envelope of the call's own protocol."""
    request = str(uuid.uuid4())
    if call.headers.get("x-amz-target"):
        body = json.dumps({"__type": code, "message": message}).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request, "x-amzn-ErrorType": code}
        return Answer(status, body, headers, code)
    code_, message_ = escape(code), escape(message)
    if call.service == "ec2":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
            f"<Code>{code_}</Code><Message>{message_}</Message></Error></Errors><RequestID>{request}</RequestID></Response>"
        )
    elif call.service == "s3":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error>'
            f"<Code>{code_}</Code><Message>{message_}</Message><RequestId>{request}</RequestId></Error>"
        )
    else:
        kind = "Sender" if status < 500 else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code_}</Code><Message>{message_}</Message></Error>"
            f"<RequestId>{request}</RequestId></ErrorResponse>"
        )
    return Answer(status, body.encode(), {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request}, code)


def ec2(operation, inside):
    """A good answer of EC2."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation}Response xmlns="{EC2_NAMESPACE}">'
        f"<requestId>{uuid.uuid4()}</requestId>{inside}</{operation}Response>"
    )
    return Answer(200, body.encode(), {"Content-Type": "text/xml;charset=UTF-8"})


def json_answer(document):
    """A good answer of a service that speaks JSON."""
    return Answer(200, json.dumps(document).encode(), {"Content-Type": "application/x-amz-json-1.1"})
