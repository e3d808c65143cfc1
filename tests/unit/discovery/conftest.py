"""A demo tenant to read from, and a scripted Azure for what a tenant does not do by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import pytest
from azure.core.pipeline.transport import HttpTransport

from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.providers import Providers
from defender_remediate.arm.session import ArmSession
from defender_remediate.catalog import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.models.ids import Scope
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential

Discover = Callable[..., Discovery]


def opened(transport: Any, clock: VirtualClock) -> ArmSession:
    numbers = count(1)
    return ArmSession.open(
        SimulatedCredential(),
        resolve_endpoint(None, None),
        clock=clock,
        transport=transport,
        new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012}",
    )


@pytest.fixture
def sim() -> ArmSimulator:
    return ArmSimulator.demo()


@pytest.fixture
def discover(sim: ArmSimulator) -> Discover:
    session = opened(sim, sim.clock)

    def make(*scopes: str, source: Literal["rest", "graph"] = "rest") -> Discovery:
        return Discovery(
            session, tuple(map(Scope.parse, scopes or sim.scopes)), Catalog.bundled(), Providers(session), source
        )

    return make


class Listed:
    """The least that a response has to have."""

    def __init__(self, status: int, body: Any) -> None:
        self.status_code, self.headers, self._body = status, {}, body  # type: ignore[var-annotated]

    def read(self) -> bytes:
        return json.dumps(self._body).encode()


class ScriptedAzure(HttpTransport):  # type: ignore[type-arg]
    """Answers each path with what a test put there: a list of items, or an error body. Remembers what was asked."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.asked: list[str] = []
        self.bodies: list[Any] = []

    def send(self, request: Any, **kwargs: Any) -> Any:
        del kwargs
        path = unquote(urlsplit(request.url).path).casefold()
        self.asked.append(path)
        if request.content:
            self.bodies.append(json.loads(request.content))
        found = {key.casefold(): value for key, value in self.found.items()}.get(path)
        if found is None:
            return Listed(404, {"error": {"code": "ResourceNotFound", "message": path}})
        if isinstance(found, list):
            is_graph = request.method == "POST"
            return Listed(200, {"data": found, "totalRecords": len(found)} if is_graph else {"value": found})
        return Listed(404 if "error" in found else 200, found)

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def __exit__(self, *exc_details: object) -> None:
        """Nothing to close."""


@pytest.fixture
def azure() -> ScriptedAzure:
    return ScriptedAzure()


@pytest.fixture
def session(azure: ScriptedAzure) -> ArmSession:
    return opened(azure, VirtualClock())


@pytest.fixture
def scripted(session: ArmSession) -> Discover:
    def make(*scopes: str, source: Literal["rest", "graph"] = "rest") -> Discovery:
        return Discovery(session, tuple(map(Scope.parse, scopes)), Catalog.bundled(), Providers(session), source)

    return make
