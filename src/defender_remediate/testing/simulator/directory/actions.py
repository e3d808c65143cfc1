"""What Microsoft Graph does with an object besides reading and writing it: credentials, and questions about groups."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import json_body
from defender_remediate.testing.simulator.directory.state import GROUPS, MEMBERS, REGISTRATIONS, Directory
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_YEARS = timedelta(days=730)


def act(tenant: Tenant, call: Call, one: dict[str, Any], word: str) -> Reply | None:
    """Answers an action on an object; None for one that is not known."""
    word = word.removeprefix("microsoft.graph.")
    if call.method != "POST":
        return None
    body = json_body(call, empty={})
    if word == "addpassword":
        return Reply.json(_add_password(tenant, one, body.get("passwordCredential") or {}))
    if word == "removepassword":
        key, held = body.get("keyId"), one.get("passwordCredentials") or []
        kept = [credential for credential in held if credential["keyId"] != key]
        if len(kept) == len(held):
            raise refusal("DirectoryBadRequest", problem="No password credential found with keyId.")
        one["passwordCredentials"] = kept
        return Reply(status=204)
    groups = _groups_of(tenant.directory, one["id"])
    if word in ("getmembergroups", "getmemberobjects"):
        return Reply.json({"value": groups})
    if word in ("checkmembergroups", "checkmemberobjects"):
        asked = {fold(str(key)) for key in body.get("groupIds") or body.get("ids") or ()}
        return Reply.json({"value": [key for key in groups if fold(key) in asked]})
    return None


def _add_password(tenant: Tenant, one: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    key = tenant.new_id()
    now = tenant.clock.now()
    # Derived, so that the same calls have the same answers; it opens nothing.
    secret = hashlib.sha256(key.encode()).hexdigest()[:40]
    credential = {
        "customKeyIdentifier": None,
        "displayName": asked.get("displayName"),
        "startDateTime": asked.get("startDateTime") or now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "endDateTime": asked.get("endDateTime") or (now + _YEARS).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hint": secret[:3],
        "keyId": key,
        "secretText": None,
    }
    one["passwordCredentials"] = [*(one.get("passwordCredentials") or ()), credential]
    return {**credential, "secretText": secret}


def methods_of(directory: Directory, user: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns how a user signs in: with a password, and with an authenticator where the registration says so."""
    kinds = [("password", "28c10230-6103-485e-b985-444c60001490")]  # the id is the same for every user
    registered = directory.find(REGISTRATIONS, user["id"]) or {}
    if registered.get("isMfaCapable"):
        kinds.append(("microsoftAuthenticator", hashlib.sha256(user["id"].encode()).hexdigest()[:32]))
    return [{"@odata.type": f"#microsoft.graph.{kind}AuthenticationMethod", "id": key} for kind, key in kinds]


def _groups_of(directory: Directory, key: str) -> list[str]:
    """The groups that an object is in, also through other groups."""
    found: list[str] = []
    waiting = [key]
    while waiting:
        for one in directory.linking(MEMBERS, waiting.pop(0)):
            if one not in found and one in directory.objects[GROUPS]:
                found.append(one)
                waiting.append(one)
    return found
