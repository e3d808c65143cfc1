"""What to do after an attempt that did not succeed. Pure."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.errors import (
    BusyError,
    ConflictError,
    ConnectionCutError,
    ConnectionFailedError,
    ForbiddenError,
    MalformedResponseError,
    OperationTimeoutError,
    PreconditionFailedError,
    ProviderNotRegisteredError,
    ScopeLockedError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)
from defender_remediate.models.result import Outcome

MAX_ATTEMPTS = 8
MAX_WAIT = 300.0
"""Seconds: a step does not wait longer than this because Azure asks for it."""

MAX_BACKOFF = 60.0
"""Seconds: a step does not wait longer than this when Azure does not ask for it."""

ROLE_SECONDS = 20.0
"""Seconds at least between two attempts while a role assignment may not be effective yet."""

_BLOCKING_CODES = frozenset(
    {
        "readonlydisabledsubscription",
        "subscriptiondisabled",
        "disallowedoperation",
        "missingsubscriptionregistration",
        "subscriptionnotregistered",
        "denyassignmentauthorizationfailed",
    }
)
GENERAL_CONFLICTS = frozenset(
    {"", "409", "conflict", "conflicterror", "operationnotallowed", "resourceconflict", "badrequest"}
)
"""Codes of a 409, folded, that do not say why."""

_ROLE_MISSING = "authorizationfailed"


class NextAction(StrEnum):
    """What to do after an attempt that did not succeed.

    RETRY: the request had no effect and may be sent again. RECONCILE: it may have taken effect, so the target is read
    before anything else. GIVE_UP: it was refused for good.
    """

    RETRY = "retry"
    RECONCILE = "reconcile"
    GIVE_UP = "give_up"


@attrs.frozen(kw_only=True)
class Reaction:
    """What to do after an error.

    Attributes:
        outcome: The outcome of the step if it ends here.
        wait: Seconds to wait before the next attempt; None to back off as usual.
    """

    action: NextAction
    outcome: Outcome
    wait: float | None = None

    def stops_after(self, attempts: int) -> bool:
        """Whether the step ends after this many attempts."""
        return self.action is NextAction.GIVE_UP or attempts >= MAX_ATTEMPTS or (self.wait or 0.0) > MAX_WAIT

    def seconds_to_wait(self, attempts: int, random: float) -> float:
        """How long to wait before the next attempt: as Azure asks, or else twice as long as the last time, of which up to half is jitter.

        Args:
            attempts: How many were made.
            random: From 0 to 1.
        """
        if self.wait is not None:
            return self.wait
        return min(MAX_BACKOFF, 2.0 ** max(0, attempts - 1)) * (0.5 + random / 2)


def reaction_to(error: Exception, *, attempt: int = 1, role_was_seen: bool = False) -> Reaction:
    """What to do after an error that an attempt raised.

    Args:
        error: What was raised.
        attempt: How many times the request was sent: a token is renewed once.
        role_was_seen: Whether planning saw the permissions that a 403 misses: then the role assignment may be so new
            that it is not effective everywhere yet, and the request is worth another attempt.
    """
    if isinstance(error, UnauthorizedError) and attempt == 1:
        return Reaction(action=NextAction.RETRY, outcome=Outcome.FAILED)
    if isinstance(error, (ThrottledError, BusyError)):
        return Reaction(action=NextAction.RETRY, outcome=Outcome.FAILED, wait=error.retry_after)
    if isinstance(error, ConnectionCutError):
        return Reaction(action=NextAction.RECONCILE, outcome=Outcome.IN_DOUBT)
    if isinstance(error, ConnectionFailedError):
        return Reaction(action=NextAction.RETRY, outcome=Outcome.FAILED)
    if isinstance(error, ServiceError):
        return Reaction(action=NextAction.RECONCILE, outcome=Outcome.IN_DOUBT, wait=error.retry_after)
    if isinstance(error, (MalformedResponseError, OperationTimeoutError)):
        return Reaction(action=NextAction.RECONCILE, outcome=Outcome.IN_DOUBT)
    if isinstance(error, PreconditionFailedError):
        # The read before the next attempt shows whether the target has drifted, or only its etag has.
        return Reaction(action=NextAction.RETRY, outcome=Outcome.FAILED)
    if role_was_seen and isinstance(error, ForbiddenError) and fold(error.code or "") == _ROLE_MISSING:
        return Reaction(action=NextAction.RETRY, outcome=Outcome.BLOCKED, wait=ROLE_SECONDS)
    return Reaction(action=NextAction.GIVE_UP, outcome=Outcome.BLOCKED if is_blocking(error) else Outcome.FAILED)


def is_blocking(error: Exception) -> bool:
    """Whether an error means that something forbids the change, rather than that the change went wrong."""
    if isinstance(error, (ScopeLockedError, ForbiddenError, ProviderNotRegisteredError)):
        return True
    return isinstance(error, ConflictError) and fold(error.code or "") in _BLOCKING_CODES
