"""A demo tenant, and a client on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from defender_remediate import RemediationClient
from defender_remediate.testing import ArmSimulator, seeded_client

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.fixture
def sim() -> ArmSimulator:
    """A fresh demo tenant."""
    return ArmSimulator.demo()


@pytest.fixture
def connect(sim: ArmSimulator) -> Iterator[Callable[..., RemediationClient]]:
    """Makes clients on the tenant; they are closed at the end."""
    made: list[RemediationClient] = []

    def make(scope: Any = None, **options: Any) -> RemediationClient:
        options = {"transport": sim, "clock": sim.clock, "jitter": lambda: 0.5, **options}
        client = seeded_client(options.pop("credential", sim.credential), scope or sim.scopes, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., RemediationClient]) -> RemediationClient:
    """A client on all subscriptions of the tenant."""
    return connect()


@pytest.fixture
def accounts(client: RemediationClient) -> list[str]:
    """The storage accounts that take plain HTTP."""
    return [found.resource_id for found in client.list_assessments(SECURE_TRANSFER, status="Unhealthy")]
