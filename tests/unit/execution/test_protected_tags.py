"""Where protected tags are looked for right before a write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from defender_remediate import Guards, RemediationStep
from defender_remediate.arm.session import ArmResponse
from defender_remediate.execution.protection import ProtectedTags
from defender_remediate.testing.simulator.state.clock import VirtualClock

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg/providers"
APP = f"{GROUP}/Microsoft.Web/sites/app"
FROZEN = {"tags": {"freeze": "yes"}}


class Resources:
    """Answers with a tag, and keeps what was asked for."""

    clock = VirtualClock()

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.looked_up: list[tuple[str, str]] = []

    def get(self, path: str, *, api_version: str, params: Mapping[str, str] | None = None) -> ArmResponse:
        self.asked.append((path, api_version))
        return ArmResponse(status=200, headers={}, body=FROZEN, request_id="", url=path, method="GET")

    def query(self, path: str, *, api_version: str, body: Any, params: Mapping[str, str] | None = None) -> ArmResponse:
        raise NotImplementedError

    def follow(self, url: str) -> ArmResponse:
        raise NotImplementedError

    def versions(self, subscription: str, resource_type: str) -> tuple[str, ...]:
        self.looked_up.append((subscription, resource_type))
        return ("2030-01-01", "2020-01-01")

    def watch(self, *tags: str) -> ProtectedTags:
        return ProtectedTags(guards=Guards(protected_tags=tags), reader=self, versions=self.versions)


@pytest.fixture
def step(make_step: Callable[..., RemediationStep]) -> Callable[..., RemediationStep]:
    """A step about an app that writes to a target, in version 1."""

    def make(target: str, resource: str = APP, kind: str = "Microsoft.Web/sites") -> RemediationStep:
        return make_step(resource_id=resource, resource_type=kind, target_id=target, api_version="1")

    return make


def test_without_protected_tags_nothing_is_asked(step: Callable[..., RemediationStep]) -> None:
    """A client without protected tags sends no requests for them."""
    found = Resources()
    assert found.watch().on_resource(step(f"{APP}/config/web")) is None
    assert found.asked == []


def test_the_target_is_not_read_a_second_time(step: Callable[..., RemediationStep]) -> None:
    """Its tags are in the body that was read a moment ago."""
    found = Resources()
    assert found.watch("freeze").on_resource(step(APP.upper())) is None
    assert found.watch("freeze").on_target(FROZEN) == "its tag freeze=yes is protected"
    assert found.watch("freeze").on_target({"tags": {}}) is None
    assert found.watch("freeze").on_target(None) is None
    assert found.asked == []


@pytest.mark.parametrize(
    ("target", "resource", "kind", "version"),
    [
        (f"{APP}/config/web", APP, "Microsoft.Web/sites", "1"),
        (f"{APP.upper()}/config/web", APP, "Microsoft.Web/sites", "1"),
        (f"{APP}/providers/A.B/c/d", APP, "Microsoft.Web/sites", "2030-01-01"),
        (f"{APP}2/config/web", APP, "Microsoft.Web/sites", "2030-01-01"),
        (f"{GROUP}/A.B/c/d", APP, "Microsoft.Web/sites", "2030-01-01"),
        (f"{SUBSCRIPTION}/x/y", SUBSCRIPTION, "Microsoft.Resources/subscriptions", "2030-01-01"),
    ],
)
def test_a_resource_is_read_with_a_version_of_its_own(
    step: Callable[..., RemediationStep], target: str, resource: str, kind: str, version: str
) -> None:
    """The step's version is that of the resource only when the target is one of its own parts."""
    found = Resources()
    assert found.watch("freeze").on_resource(step(target, resource, kind)) == "its tag freeze=yes is protected"
    assert found.asked == [(resource, version)]
