"""Resource types that take no PATCH of their properties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate import Catalog
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.fix import FixKind
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.preflight import Subject
from defender_remediate.preflight.patch_support import UNPATCHABLE, PatchSupportCheck

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/c"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/s"


Judge = Callable[[Subject], tuple[CheckResult, ...]]


@pytest.fixture
def judge(check_one: Callable[..., tuple[CheckResult, ...]]) -> Judge:
    """What the check finds about a step."""
    return lambda subject: check_one(PatchSupportCheck(), subject)


def sending(make_subject: Callable[..., Subject], target: str, body: Any, method: str = "PATCH") -> Subject:
    request = PlannedRequest(method=method, path=target, api_version="1", body=body)
    return make_subject(resource_id=target, target_id=target, request=request)


@pytest.mark.parametrize("target", [CLUSTER, f"{SITE}/config/authsettingsV2"])
def test_a_patch_of_properties_blocks(judge: Judge, make_subject: Callable[..., Subject], target: str) -> None:
    """Azure would answer success for some of them, and change nothing."""
    (found,) = judge(sending(make_subject, target, {"tags": {}, "properties": {"a": 1}}))
    assert (found.check, found.status) == ("patch_support", CheckStatus.BLOCKED)
    assert "properties" in found.message
    assert '"put"' in found.advice


@pytest.mark.parametrize(
    ("target", "body", "method"),
    [
        (CLUSTER, {"tags": {"a": "b"}}, "PATCH"),
        (CLUSTER, {"properties": {"a": 1}}, "PUT"),
        (f"{SITE}/config/web", {"properties": {"a": 1}}, "PATCH"),
        (SITE, {"properties": {"a": 1}}, "PATCH"),
        (GROUP, {"properties": {"a": 1}}, "PATCH"),
    ],
)
def test_everything_else_passes(
    judge: Judge, make_subject: Callable[..., Subject], target: str, body: Any, method: str
) -> None:
    """Tags, a PUT, and types that take a PATCH."""
    assert judge(sending(make_subject, target, body, method)) == ()


def test_the_bundled_catalog_sends_no_such_patch() -> None:
    """The table and the catalog agree."""
    types = set(UNPATCHABLE)
    patched = {fix.resource_type.lower() for fix in Catalog.bundled() if fix.kind is FixKind.PATCH and not fix.target}
    assert len(types) > 20
    assert patched
    assert not types & patched
    assert all(why and name == name.lower() for name, why in UNPATCHABLE.items())
