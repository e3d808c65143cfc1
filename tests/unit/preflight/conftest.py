"""A session on a demo tenant, and steps of a storage account in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import attrs
import pytest

from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.fixes.diff import changes
from defender_remediate.models.plan import RemediationStep
from defender_remediate.preflight.subject import Subject
from defender_remediate.testing import ArmSimulator


@pytest.fixture
def sim() -> ArmSimulator:
    """A fresh demo tenant."""
    return ArmSimulator.demo()


@pytest.fixture
def session(sim: ArmSimulator) -> ArmSession:
    """Reads it."""
    numbers = count(1)
    return ArmSession.open(
        sim.credential,
        resolve_endpoint(None, None),
        clock=sim.clock,
        transport=sim,
        new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012}",
    )


@pytest.fixture
def account(sim: ArmSimulator) -> str:
    """The id of a storage account."""
    return sim.resources.list_ids("Microsoft.Storage/storageAccounts", sim.scopes[0])[0]


@pytest.fixture
def group(account: str) -> str:
    """The id of its resource group."""
    return account.partition("/providers/")[0]


@pytest.fixture
def make_subject(sim: ArmSimulator, account: str, make_step: Callable[..., RemediationStep]) -> Callable[..., Subject]:
    """A change of some properties of the account, with whatever the test wants different in its step."""

    def make(*, policies: tuple[str, ...] = (), at: str = account, **properties: Any) -> Subject:
        before = sim.resources.get(at)
        after = {**before, "properties": {**before["properties"], **(properties or {"minimumTlsVersion": "TLS1_2"})}}
        step = make_step(
            resource_id=at,
            target_id=at,
            permissions=("Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/write"),
            changes=changes(before, after),
        )
        request = attrs.evolve(step.request, path=at)
        return Subject(step=attrs.evolve(step, request=request), policies=policies, before=before, after=after)

    return make
