"""Retries reads. Writes are never retried here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import attrs

from defender_remediate.arm.rate_limiter import LONGEST_WAIT
from defender_remediate.errors import (
    BusyError,
    ConnectionFailedError,
    DefenderRemediateError,
    MalformedResponseError,
    RequestError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from tenacity import RetryCallState

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class RetryOptions:
    """How reads are retried; the names are azure-core's.

    Attributes:
        total: Retries after the first attempt; 0 for none.
        backoff_factor: Seconds before the first retry when Azure names none; doubled for each further one.
        backoff_max: Seconds at most between two attempts when Azure names none.
    """

    total: int = 4
    backoff_factor: float = 0.8
    backoff_max: float = 30.0

    def backoff(self, attempt: int, random: float) -> float:
        """Seconds before the next attempt when Azure names none; half of it is jitter.

        Args:
            attempt: How many were made; at least 1.
            random: From 0 to 1.
        """
        return float(min(self.backoff_factor * 2 ** min(attempt - 1, 60), self.backoff_max)) * (0.5 + random / 2)


def is_worth_retrying(error: BaseException | None, unauthorized: int) -> bool:
    """Whether a retry of a read may succeed.

    ``unauthorized`` is the number of 401 responses so far, including this one: a token can be renewed once.
    """
    if isinstance(error, RequestError):
        if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
            return False
        if isinstance(error, UnauthorizedError):
            return unauthorized <= 1
        if isinstance(error, ServiceError):
            # What does not offer something (501) will not offer it in a second either.
            return error.status != 501
        return isinstance(error, ThrottledError) or (isinstance(error, BusyError) and error.status == 429)
    return isinstance(error, (ConnectionFailedError, MalformedResponseError))


def retry_read(
    read: Callable[[], _T], *, options: RetryOptions, sleep: Callable[[float], None], random: Callable[[], float]
) -> _T:
    """Read with retries, by default five attempts: after 408, 429, 5xx and malformed responses, and once after 401.

    ``Retry-After`` is honored up to two minutes; a longer one is raised to the caller at once.
    """
    try:
        return read()
    except DefenderRemediateError as error:
        first = error
    return _retry(read, first, options=options, sleep=sleep, random=random)


def _retry(
    read: Callable[[], _T],
    first: DefenderRemediateError,
    *,
    options: RetryOptions,
    sleep: Callable[[float], None],
    random: Callable[[], float],
) -> _T:
    """What follows an attempt that failed. Most reads never come here: tenacity takes time, also to import."""
    from tenacity import Retrying, stop_after_attempt

    failed = [first]

    unauthorized = 0

    def again(state: RetryCallState) -> bool:
        nonlocal unauthorized
        error = state.outcome.exception() if state.outcome else None
        unauthorized += isinstance(error, UnauthorizedError)
        return is_worth_retrying(error, unauthorized)

    def delay(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, RequestError) else None
        return options.backoff(state.attempt_number, random()) if asked is None else asked

    def attempt() -> _T:
        if failed:
            raise failed.pop()
        return read()

    stop = stop_after_attempt(options.total + 1)
    return Retrying(stop=stop, retry=again, wait=delay, sleep=sleep, reraise=True)(attempt)
