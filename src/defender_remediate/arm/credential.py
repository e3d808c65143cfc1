"""Shares one token of the caller's credential between threads."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping
from typing import Any

from azure.core.credentials import AccessTokenInfo

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.errors import hide_secrets
from defender_remediate.errors import CredentialError, InvalidInputError
from defender_remediate.redaction import redact_text

# azure-core renews a token that has less than this left.
_RENEWAL_WINDOW = 300
_HINT = "sign in, for example with 'az login', or check which identity the credential uses; nothing was sent"
_LONGEST = 2000


class SharedCredential:
    """Wraps a credential: concurrent calls share one token, and every failure becomes a CredentialError.

    azure-core's bearer policy has no lock, so 32 concurrent first requests would acquire 32 tokens.
    """

    def __init__(self, credential: Any, clock: Clock) -> None:
        if not (callable(getattr(credential, "get_token", None)) or callable(_info_of(credential))):
            raise InvalidInputError(
                f"expected a credential with get_token, got {type(credential).__name__}",
                hint="pass a credential of azure.identity, such as DefaultAzureCredential()",
            )
        self._credential = credential
        self._clock = clock
        self._lock = threading.Lock()
        self._taken = 0
        self._tokens: dict[tuple[Any, ...], AccessTokenInfo] = {}

    def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> AccessTokenInfo:
        """A token, fresh or shared with a thread that asked at the same time.

        Raises:
            CredentialError: The credential returned no token.
        """
        key = (scopes, *sorted((options or {}).items()))
        seen = self._taken
        with self._lock:
            known = self._tokens.get(key)
            # While this thread waited for the lock another one may have asked: what it got is as new as can be.
            if known is not None and (self._taken != seen or self._is_fresh(known)):
                return known
            token = self._take(scopes, dict(options or {}))
            self._tokens = {key: token}
            self._taken += 1
            return token

    def forget(self) -> None:
        """Discard a token that Azure refused."""
        with self._lock:
            self._tokens = {}

    def _is_fresh(self, token: AccessTokenInfo) -> bool:
        now = self._clock.now().timestamp()
        due = token.refresh_on is not None and token.refresh_on <= now
        return not due and token.expires_on - now >= _RENEWAL_WINDOW

    def _take(self, scopes: tuple[str, ...], options: dict[str, Any]) -> AccessTokenInfo:
        try:
            info = _info_of(self._credential)
            token = info(*scopes, options=options) if info else self._credential.get_token(*scopes, **options)
        except Exception as error:
            hide_secrets(error)
            # azure.identity writes a line for each way that it tried.
            lines = [" ".join(line.split()) for line in str(error).splitlines()]
            text = redact_text("; ".join(filter(None, lines))) or type(error).__name__
            text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
            raise CredentialError(f"the credential gave no token: {text}", hint=_HINT) from error
        if inspect.iscoroutine(token):
            token.close()
            raise CredentialError(
                "the credential is asynchronous, but this client is synchronous",
                hint="use a credential of azure.identity instead of azure.identity.aio",
            )
        try:
            refresh_on = getattr(token, "refresh_on", None)
            taken = AccessTokenInfo(
                token.token, int(token.expires_on), refresh_on=None if refresh_on is None else int(refresh_on)
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise CredentialError(
                f"the credential gave {type(token).__name__} instead of a token", hint=_HINT
            ) from error
        # It becomes a header, which takes nothing else.
        if not (isinstance(taken.token, str) and taken.token.isascii() and taken.token.isprintable()):
            raise CredentialError("the credential gave a token that is not printable ASCII text", hint=_HINT)
        return taken


def _info_of(credential: Any) -> Any:
    return getattr(credential, "get_token_info", None)
