"""Who the caller is, as far as its own token says so."""

from __future__ import annotations

import base64
import json

from defender_remediate import wire
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.models.ids import is_guid


def object_id(session: ArmSession) -> str:
    """The object id in the access token; empty when the token does not tell.

    Azure means access tokens to be opaque, and the signature is not looked at: this is only good for seeing whether a
    deny assignment names the caller, where a wrong id leads to Azure's own refusal at worst.

    Raises:
        CredentialError: The credential gave no token.
    """
    token = session.credential.get_token_info(session.endpoint.token_scope).token
    _, _, rest = token.partition(".")
    payload, _, _ = rest.partition(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return ""
    found = wire.text(claims, "oid")
    return fold(found) if is_guid(found) else ""
