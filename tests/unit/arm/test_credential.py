"""One token for many threads, and one error for every way a credential can fail."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError

from defender_remediate.arm.credential import SharedCredential
from defender_remediate.errors import CredentialError, InvalidInputError
from defender_remediate.testing.simulator.state.clock import VirtualClock


class Slow:
    """Takes a moment, and counts."""

    def __init__(self, clock: VirtualClock, lifetime: float = 3600.0) -> None:
        self._clock, self._lifetime = clock, lifetime
        self.calls = 0
        self.refresh_in: float | None = None
        self.entered = threading.Event()
        self.proceed = threading.Event()
        self.proceed.set()

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.calls += 1
        self.entered.set()
        self.proceed.wait(10)
        now = self._clock.now().timestamp()
        refresh = None if self.refresh_in is None else int(now + self.refresh_in)
        return AccessTokenInfo(f"{scopes[0]}:{options}:{self.calls}", int(now + self._lifetime), refresh_on=refresh)


def test_concurrent_first_calls_take_one_token(clock: VirtualClock) -> None:
    """azure-core's own policy would take one for each thread."""
    inner = Slow(clock)
    inner.proceed.clear()
    shared = SharedCredential(inner, clock)
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(shared.get_token_info, "s") for _ in range(16)]
        inner.entered.wait(10)
        inner.proceed.set()
        tokens = {future.result(10).token for future in waiting}
    assert inner.calls == 1
    assert len(tokens) == 1


def test_a_token_taken_while_one_waited_is_shared_even_if_short_lived(clock: VirtualClock) -> None:
    """What another thread got a moment ago is as new as can be."""
    inner = Slow(clock, lifetime=60)
    shared = SharedCredential(inner, clock)

    class Contended:
        """A lock that another thread gets first."""

        def __init__(self) -> None:
            self.is_first = True

        def __enter__(self) -> None:
            if self.is_first:
                self.is_first = False
                self.other = shared.get_token_info("s")

        def __exit__(self, *exc_details: object) -> None:
            """Nothing to release."""

    contended = Contended()
    shared._lock = contended  # type: ignore[assignment]
    assert shared.get_token_info("s") is contended.other
    assert inner.calls == 1
    assert shared.get_token_info("s") is not contended.other


def test_a_fresh_token_is_kept_and_an_old_one_renewed(clock: VirtualClock) -> None:
    """Five minutes before its end, as azure-core does."""
    inner = Slow(clock)
    shared = SharedCredential(inner, clock)
    first = shared.get_token_info("s")
    assert shared.get_token_info("s") == first
    clock.advance(3301)
    assert shared.get_token_info("s") != first


def test_a_token_that_wants_to_be_refreshed_is(clock: VirtualClock) -> None:
    """Long before it ends, when its issuer says so."""
    inner = Slow(clock)
    inner.refresh_in = 100
    shared = SharedCredential(inner, clock)
    first = shared.get_token_info("s")
    clock.advance(101)
    assert shared.get_token_info("s") != first


def test_a_forgotten_token_is_asked_for_again(clock: VirtualClock) -> None:
    """After Azure refused it."""
    inner = Slow(clock)
    shared = SharedCredential(inner, clock)
    first = shared.get_token_info("s")
    shared.forget()
    assert shared.get_token_info("s") != first


def test_claims_make_another_token(clock: VirtualClock) -> None:
    """A token without the claims does not answer a challenge."""
    inner = Slow(clock)
    shared = SharedCredential(inner, clock)
    plain = shared.get_token_info("s")
    assert shared.get_token_info("s", options={"claims": "c"}) != plain
    assert inner.calls == 2


def test_the_older_protocol_works_too(clock: VirtualClock) -> None:
    """A credential that has ``get_token`` only gets its options as keywords."""

    class Older:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken(f"{scopes}{options}", 4102444800)

    token = SharedCredential(Older(), clock).get_token_info("s", options={"claims": "c"})
    assert token.token == "('s',){'claims': 'c'}"


@pytest.mark.parametrize("error", [ClientAuthenticationError("no\nmore"), ValueError("no"), TypeError("no")])
def test_every_failure_is_a_credential_error(clock: VirtualClock, error: Exception) -> None:
    """Chained, with all that the credential said on one line."""

    class Broken:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            raise error

    with pytest.raises(CredentialError, match=r"gave no token: no") as caught:
        SharedCredential(Broken(), clock).get_token_info("s")
    assert caught.value.__cause__ is error


def test_an_error_without_words_is_named(clock: VirtualClock) -> None:
    """Its class is better than nothing."""

    class Broken:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            raise RuntimeError

    with pytest.raises(CredentialError, match="RuntimeError"):
        SharedCredential(Broken(), clock).get_token_info("s")


@pytest.mark.parametrize(
    "token",
    [
        "s3cret",
        None,
        AccessToken("s3cret", None),  # type: ignore[arg-type]
        AccessToken("s3cret", float("inf")),  # type: ignore[arg-type]
        AccessToken(None, 4102444800),  # type: ignore[arg-type]
        AccessToken("s3cret\n", 4102444800),
        AccessToken("s3cr\u20act", 4102444800),
        SimpleNamespace(expires_on=4102444800),
    ],
)
def test_something_that_is_no_token_is_refused(clock: VirtualClock, token: Any) -> None:
    """Such as the bare text of one, or one that no header can carry; its value is not repeated."""

    class Wrong:
        def get_token(self, *scopes: str, **options: Any) -> Any:
            return token

    with pytest.raises(CredentialError) as caught:
        SharedCredential(Wrong(), clock).get_token_info("s")
    assert "s3cr" not in str(caught.value)


def test_a_thing_without_get_token_is_refused_at_once(clock: VirtualClock) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInputError, match="str"):
        SharedCredential("token", clock)


def test_what_was_tried_is_kept_and_the_way_to_sign_in_is_named(clock: VirtualClock) -> None:
    """azure.identity writes one line for each credential that it tried; secrets among them are hidden, also in a traceback."""
    # Not in the line that raises, because a traceback shows that line.
    tried = "EnvironmentCredential: client_secret=hunter2 is wrong\n\tAzureCliCredential: not signed in"

    class Chained:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            raise ClientAuthenticationError(f"DefaultAzureCredential failed\n\t{tried}")

    with pytest.raises(CredentialError) as caught:
        SharedCredential(Chained(), clock).get_token_info("s")
    text = str(caught.value)
    assert "EnvironmentCredential" in text
    assert "AzureCliCredential: not signed in" in text
    assert "az login" in caught.value.hint
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_an_asynchronous_credential_is_refused_with_the_right_one(clock: VirtualClock) -> None:
    """Its coroutine is closed, so that nothing warns about it."""

    class Asynchronous:
        async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken("t", 1)

    with pytest.raises(CredentialError, match=r"asynchronous.*azure\.identity\.aio"):
        SharedCredential(Asynchronous(), clock).get_token_info("s")
