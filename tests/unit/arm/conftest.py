"""A scripted Azure: a transport that gives the next answer of a list, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import HttpTransport

from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.testing.simulator.state.clock import VirtualClock

BASE = "https://management.azure.com"


class Answered:
    """The least that a response has to have."""

    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status_code, self.headers, self._content = status, headers, content

    def read(self) -> bytes:
        return self._content


class ScriptedTransport(HttpTransport):  # type: ignore[type-arg]
    """Gives its answers in turn; the last one stays. An exception among them is raised."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.answers: list[Any] = []
        self.requests: list[Any] = []
        self.times: list[float] = []
        self.closed = False

    def then(self, status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> ScriptedTransport:
        """Add an answer; a body that is bytes goes out as it is."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.answers.append(Answered(status, headers or {}, content))
        return self

    def fail(self, error: Exception) -> ScriptedTransport:
        """Add a failure."""
        self.answers.append(error)
        return self

    def send(self, request: Any, **kwargs: Any) -> Any:
        del kwargs
        self.requests.append(request)
        self.times.append(self._clock.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def paths(self) -> list[str]:
        """The methods and URLs that were asked for, without the host."""
        return [f"{request.method} {request.url.removeprefix(BASE)}" for request in self.requests]

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        self.closed = True

    def __exit__(self, *exc_details: object) -> None:
        self.close()


class Credential:
    """Gives tokens ``t1``, ``t2`` and so on, each good for an hour of the virtual clock's world and of this one."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.calls.append({"scopes": scopes, **options})
        return AccessToken(f"t{len(self.calls)}", 4102444800)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def azure(clock: VirtualClock) -> ScriptedTransport:
    return ScriptedTransport(clock)


@pytest.fixture
def credential() -> Credential:
    return Credential()


@pytest.fixture
def ids() -> Callable[[], str]:
    numbers: Iterator[int] = count(1)
    return lambda: f"id-{next(numbers)}"


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(base_url=BASE, token_scope=f"{BASE}/.default")


@pytest.fixture
def session(
    azure: ScriptedTransport, credential: Credential, endpoint: Endpoint, clock: VirtualClock, ids: Callable[[], str]
) -> ArmSession:
    return ArmSession.open(credential, endpoint, clock=clock, transport=azure, new_id=ids, random=lambda: 1.0)
