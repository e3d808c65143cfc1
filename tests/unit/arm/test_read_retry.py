"""When a read is tried again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.arm.read_retry import RetryOptions, is_worth_retrying, retry_read
from defender_remediate.errors import (
    BusyError,
    ConnectionCutError,
    ConnectionFailedError,
    CredentialError,
    DefenderRemediateError,
    ForbiddenError,
    MalformedResponseError,
    NotFoundError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)
from defender_remediate.testing.simulator.state.clock import VirtualClock

OPTIONS = RetryOptions()


def failing(*errors: DefenderRemediateError) -> Callable[[], str]:
    left = list(errors)

    def read() -> str:
        if left:
            raise left.pop(0)
        return "read"

    return read


@pytest.mark.parametrize(
    "error",
    [
        ThrottledError("", status=429),
        ThrottledError("", status=429, retry_after=120),
        ServiceError("", status=503),
        ConnectionFailedError(""),
        ConnectionCutError(""),
        MalformedResponseError(""),
        BusyError("", status=429),
        UnauthorizedError("", status=401),
    ],
)
def test_what_may_pass_is_tried_again(error: DefenderRemediateError) -> None:
    """Once is enough here."""
    assert retry_read(failing(error), options=OPTIONS, sleep=VirtualClock().sleep, random=lambda: 0.5) == "read"


@pytest.mark.parametrize(
    "error",
    [
        ForbiddenError("", status=403),
        ForbiddenError("", status=403, retry_after=1),
        NotFoundError("", status=404),
        BusyError("", status=409, retry_after=1),
        CredentialError(""),
        ThrottledError("", status=429, retry_after=121),
        ServiceError("", status=503, retry_after=100_000),
    ],
)
def test_what_will_not_pass_is_raised_at_once(error: DefenderRemediateError) -> None:
    """A 4xx with Retry-After is still a refusal, and a client does not sleep for a day."""
    clock = VirtualClock()
    with pytest.raises(type(error)) as caught:
        retry_read(failing(error), options=OPTIONS, sleep=clock.sleep, random=lambda: 0.5)
    assert caught.value is error
    assert clock.monotonic() == 0


def test_five_times_is_enough() -> None:
    """The last error is the one that is raised, as it was."""
    errors = [ServiceError(str(number), status=500) for number in range(6)]
    with pytest.raises(ServiceError) as caught:
        retry_read(failing(*errors), options=OPTIONS, sleep=VirtualClock().sleep, random=lambda: 0.5)
    assert caught.value is errors[4]


def test_retry_after_is_honoured() -> None:
    """To the second, instead of the backoff."""
    clock = VirtualClock()
    retry_read(
        failing(ServiceError("", status=503, retry_after=17)), options=OPTIONS, sleep=clock.sleep, random=lambda: 0.5
    )
    assert clock.monotonic() == 17


def test_a_token_is_renewed_once() -> None:
    """A second 401 means it was not the token."""
    assert is_worth_retrying(UnauthorizedError("", status=401), 1)
    second = UnauthorizedError("2", status=401)
    with pytest.raises(UnauthorizedError) as caught:
        retry_read(
            failing(UnauthorizedError("1", status=401), ServiceError("", status=500), second),
            options=OPTIONS,
            sleep=VirtualClock().sleep,
            random=lambda: 0.5,
        )
    assert caught.value is second


def test_what_is_not_implemented_is_not_asked_for_again() -> None:
    """A 501 is an answer; any other 5xx may be gone in a moment."""
    assert not is_worth_retrying(ServiceError("", status=501), 0)
    assert is_worth_retrying(ServiceError("", status=500), 0)


@given(st.integers(1, 40), st.floats(0, 1))
def test_the_backoff_doubles_up_to_a_limit_and_half_of_it_is_chance(attempt: int, random: float) -> None:
    """So that many clients do not come back at once."""
    full = min(0.8 * 2 ** (attempt - 1), 30.0)
    assert full / 2 <= OPTIONS.backoff(attempt, random) <= full
