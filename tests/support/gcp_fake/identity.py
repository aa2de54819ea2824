"""Service accounts, bearer tokens, and what the caller may do."""

import re
import time
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

import filters
from errors import GoogleError
from store import proto_digest

ACCOUNT_ID = re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]")
CALLER = "tester@{project}.iam.gserviceaccount.com"


class Keys:
    """The caller's key pair: the fake believes tokens signed with it."""

    def __init__(self):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self.private.public_key()
        self.public = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.tokens = {}

    def file(self, project, base):
        """A service account's key file."""
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        email = CALLER.format(project=project)
        return {
            "type": "service_account",
            "project_id": project,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "100000000000000000001",
            "auth_uri": f"{base}/auth",
            "token_uri": f"{base}/token",
            "universe_domain": "googleapis.com",
        }

    def exchange(self, assertion):
        """A token for a signed statement, as `token_uri` gives it."""
        try:
            claims = jwt.decode(assertion, certs=self.public)
        except ValueError as error:
            raise GoogleError(400, "invalid_grant", f"Invalid JWT Signature. {error}") from error
        token = f"ya29.{uuid.uuid4().hex}"
        self.tokens[token] = (claims["iss"], time.time() + 3599)
        return {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def caller(self, header):
        """Who calls. Refuses what is not a token of ours, and one whose time is over."""
        token = (header or "").removeprefix("Bearer ")
        if not token:
            raise unauthenticated("Request is missing required authentication credential.")
        if token in self.tokens:
            email, end = self.tokens[token]
            if end < time.time():
                raise unauthenticated("Request had invalid authentication credentials.")
            return email
        try:
            claims = jwt.decode(token, certs=self.public)
        except ValueError as error:
            raise unauthenticated(f"Request had invalid authentication credentials. {error}") from error
        if not claims.get("scope") and not claims.get("aud"):
            raise unauthenticated("The token has neither scope nor audience.")
        return claims["iss"]


def unauthenticated(message):
    return GoogleError(
        401,
        "authError",
        f"{message} Expected OAuth 2 access token, login cookie or other valid authentication credential.",
    )


def create(call):
    project, name = call.names["projectsId"], call.body.get("accountId", "")
    if not ACCOUNT_ID.fullmatch(name):
        raise GoogleError(
            400, "badRequest", f"Invalid service account ID {name!r}: 6 to 30 lower-case letters, digits and dashes."
        )
    account = call.body.get("serviceAccount", {})
    if len(account.get("description", "")) > 256 or len(account.get("displayName", "")) > 100:
        raise GoogleError(400, "badRequest", "displayName has at most 100 bytes, description 256.")
    email = f"{name}@{project}.iam.gserviceaccount.com"
    accounts = call.fake.accounts(project)
    if email in accounts:
        raise GoogleError(
            409, "alreadyExists", f"Service account {name} already exists within project projects/{project}."
        )
    if len(accounts) >= call.fake.settings["service_accounts"]:
        raise GoogleError(429, "quotaExceeded", f"Maximum number of service accounts on project {project} reached.")
    body = {
        "name": f"projects/{project}/serviceAccounts/{email}",
        "projectId": project,
        "uniqueId": call.fake.store.number(),
        "email": email,
        "displayName": account.get("displayName", ""),
        "description": account.get("description", ""),
        "oauth2ClientId": call.fake.store.number(),
    }
    body["etag"] = proto_digest(body)
    accounts[email] = body
    return body


def one(call):
    email = call.names["serviceAccountsId"]
    accounts = call.fake.accounts(call.names["projectsId"])
    if email not in accounts:
        raise GoogleError(404, "notFound", f"Unknown service account: {email}")
    return accounts[email]


def listed(call):
    accounts = sorted(call.fake.accounts(call.names["projectsId"]).values(), key=lambda account: account["email"])
    items, token = filters.page(accounts, call.query, 20, 100)
    return {**({"accounts": items} if items else {}), **({"nextPageToken": token} if token else {})}


def delete(call):
    one(call)
    del call.fake.accounts(call.names["projectsId"])[call.names["serviceAccountsId"]]
    return {}


def patch(call):
    account, wanted = one(call), call.body.get("serviceAccount", {})
    for name in call.body.get("updateMask", "").split(","):
        if name not in ("displayName", "display_name", "description"):
            raise GoogleError(400, "badRequest", f"updateMask: {name!r} cannot be changed.")
        name = "displayName" if name == "display_name" else name
        account[name] = wanted.get(name, "")
    account["etag"] = proto_digest({name: value for name, value in account.items() if name != "etag"})
    return account


def permissions(call):
    asked = call.body.get("permissions", [])
    held = [name for name in asked if name not in call.fake.settings["denied"]]
    return {"permissions": held} if held else {}


def project(call):
    name = call.names["projectsId"]
    return {
        "name": "projects/123456789012",
        "projectId": name,
        "state": "ACTIVE",
        "displayName": name,
        "parent": "organizations/1",
        "createTime": "2026-01-01T00:00:00Z",
        "etag": proto_digest(name),
    }


METHODS = {
    "iam.projects.serviceAccounts.create": create,
    "iam.projects.serviceAccounts.get": one,
    "iam.projects.serviceAccounts.list": listed,
    "iam.projects.serviceAccounts.delete": delete,
    "iam.projects.serviceAccounts.patch": patch,
    "cloudresourcemanager.projects.get": project,
    "cloudresourcemanager.projects.testIamPermissions": permissions,
}
