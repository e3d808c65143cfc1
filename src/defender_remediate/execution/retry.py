"""What to do about an error of a write: try again, look first, or give up. Pure."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.errors import (
    BusyError,
    ConflictError,
    ConnectionCutError,
    ConnectionFailedError,
    DefenderRemediateError,
    ForbiddenError,
    MalformedResponseError,
    OperationTimeoutError,
    PreconditionFailedError,
    ProviderNotRegisteredError,
    RequestError,
    ScopeLockedError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)
from defender_remediate.models.result import Outcome, StepError
from defender_remediate.redaction import redact_text

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


class Next(StrEnum):
    """What to do about an error of a write."""

    RETRY = "retry"
    LOOK = "look"
    GIVE_UP = "give_up"


@attrs.frozen(kw_only=True)
class Reaction:
    """What to do about an error.

    Attributes:
        next: RETRY: the request was not processed and may be sent again. LOOK: it may have taken effect, so the target
            has to be read before anything else. GIVE_UP: it was refused for good.
        outcome: What the step's result will say when it ends here.
        wait: Seconds that Azure asked to wait; None when it did not say.
    """

    next: Next
    outcome: Outcome
    wait: float | None = None


def reaction_to(error: DefenderRemediateError, *, attempt: int = 1) -> Reaction:
    """What to do about an error that a submission raised.

    Args:
        error: What was raised.
        attempt: How many times the write was sent: a token is renewed once.
    """
    if isinstance(error, UnauthorizedError) and attempt == 1:
        return Reaction(next=Next.RETRY, outcome=Outcome.FAILED)
    if isinstance(error, (ThrottledError, BusyError)):
        return Reaction(next=Next.RETRY, outcome=Outcome.FAILED, wait=error.retry_after)
    if isinstance(error, ConnectionCutError):
        return Reaction(next=Next.LOOK, outcome=Outcome.IN_DOUBT)
    if isinstance(error, ConnectionFailedError):
        return Reaction(next=Next.RETRY, outcome=Outcome.FAILED)
    if isinstance(error, ServiceError):
        return Reaction(next=Next.LOOK, outcome=Outcome.IN_DOUBT, wait=error.retry_after)
    if isinstance(error, (MalformedResponseError, OperationTimeoutError)):
        return Reaction(next=Next.LOOK, outcome=Outcome.IN_DOUBT)
    if isinstance(error, PreconditionFailedError):
        return Reaction(next=Next.GIVE_UP, outcome=Outcome.SKIPPED)
    return Reaction(next=Next.GIVE_UP, outcome=Outcome.BLOCKED if _is_blocking(error) else Outcome.FAILED)


def _is_blocking(error: DefenderRemediateError) -> bool:
    if isinstance(error, (ScopeLockedError, ForbiddenError, ProviderNotRegisteredError)):
        return True
    return isinstance(error, ConflictError) and fold(error.code) in _BLOCKING_CODES


def step_error(error: Exception) -> StepError:
    """An error as it stands in a result."""
    if not isinstance(error, DefenderRemediateError):
        return StepError(code=type(error).__name__, message=redact_text(str(error)), hint="please report this")
    if isinstance(error, RequestError):
        details = "".join(f"; {detail}" for detail in error.details)
        return StepError(
            code=error.code or type(error).__name__,
            message=f"{error.message}{details}",
            status=error.status,
            hint=error.hint,
        )
    return StepError(code=type(error).__name__.removesuffix("Error"), message=error.message, hint=error.hint)
