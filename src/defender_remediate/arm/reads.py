"""When a read is tried again, and after how long. Writes are never tried again here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.throttle import LONGEST_WAIT
from defender_remediate.errors import (
    BusyError,
    ConnectionFailedError,
    MalformedResponseError,
    RequestError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from tenacity import RetryCallState

_T = TypeVar("_T")
ATTEMPTS = 5
_FIRST_DELAY = 0.8
_LONGEST_DELAY = 30.0


def backoff(attempt: int, random: float) -> float:
    """Seconds before the next attempt when Azure names none: doubled each time, and half of it by chance.

    Args:
        attempt: How many were made; at least 1.
        random: From 0 to 1.
    """
    return float(min(_FIRST_DELAY * 2 ** (attempt - 1), _LONGEST_DELAY)) * (0.5 + random / 2)


def is_worth_retrying(error: BaseException | None, unauthorized: int) -> bool:
    """Whether a read may succeed when it is simply sent again.

    ``unauthorized`` is how often it was answered 401, this time included: a token can be renewed once.
    """
    if isinstance(error, RequestError):
        if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
            return False
        if isinstance(error, UnauthorizedError):
            return unauthorized <= 1
        # Who does not offer something (501) will not offer it in a second either.
        return (isinstance(error, (ThrottledError, ServiceError)) and error.status != 501) or (
            isinstance(error, BusyError) and error.status == 429
        )
    return isinstance(error, (ConnectionFailedError, MalformedResponseError))


def read_patiently(read: Callable[[], _T], *, clock: Clock, random: Callable[[], float]) -> _T:
    """Do a read, at most five times: again after 408, 429, 5xx, a broken connection or a broken body, once after 401.

    ``Retry-After`` is honoured up to two minutes; one that is longer is given to the caller at once.
    """
    # Some milliseconds of import that a client which never reads need not pay.
    from tenacity import Retrying, stop_after_attempt

    unauthorized = 0

    def again(state: RetryCallState) -> bool:
        nonlocal unauthorized
        error = state.outcome.exception() if state.outcome else None
        unauthorized += isinstance(error, UnauthorizedError)
        return is_worth_retrying(error, unauthorized)

    def delay(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, RequestError) else None
        return backoff(state.attempt_number, random()) if asked is None else asked

    retrying = Retrying(stop=stop_after_attempt(ATTEMPTS), retry=again, wait=delay, sleep=clock.sleep, reraise=True)
    return retrying(read)
