"""Tokens: the directory's endpoint for applications, and the one that machines with an identity ask."""

import secrets
import time

import world as worlds
from errors import ArmError

SECONDS = 3600


def token(world, path, form, headers):
    """POST /{tenant}/oauth2/v2.0/token"""
    tenant = path.split("/")[1]
    if tenant != worlds.TENANT:
        raise refused("AADSTS90002", f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.")
    if form.get("client_id") != worlds.CLIENT:
        raise refused("AADSTS700016", f"Application with identifier '{form.get('client_id')}' was not found in the directory.")
    assertion = form.get("client_assertion")
    if assertion is None and form.get("client_secret") != worlds.CLIENT_SECRET:
        raise refused("AADSTS7000215", "Invalid client secret provided.")
    if assertion is not None and assertion != "federated":
        raise refused("AADSTS700213", "No matching federated identity record found for presented assertion.")
    return {"token_type": "Bearer", "expires_in": SECONDS, "ext_expires_in": SECONDS, "access_token": issue(world)}


def machine_token(world, query, headers):
    """GET /metadata/identity/oauth2/token"""
    if headers.get("metadata") != "true":
        raise ArmError(400, "bad_request_102", "Required metadata header not specified")
    now = int(time.time())
    return {
        "access_token": issue(world),
        "token_type": "Bearer",
        "expires_in": str(SECONDS),
        "expires_on": str(now + SECONDS),
        "not_before": str(now),
        "resource": query.get("resource", ""),
    }


def issue(world):
    made = "fake." + secrets.token_urlsafe(24)
    world.tokens[made] = time.time() + SECONDS
    return made


def need(world, headers):
    """A call to the resource manager carries a token that was issued here."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": f'Bearer authorization_uri="https://login.microsoftonline.com/{worlds.TENANT}"'}
    if kind != "Bearer" or not value:
        raise ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", challenge)
    if world.tokens.get(value, 0) < time.time():
        raise ArmError(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)


class Refused(ArmError):
    """The directory has its own shape of errors."""

    def body(self):
        return {"error": "invalid_client", "error_description": f"{self.code}: {self.message}", "error_codes": [int(self.code[6:])]}


def refused(code, message):
    return Refused(401 if code == "AADSTS7000215" else 400, code, message)
