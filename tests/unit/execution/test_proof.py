"""Which answers to a write take the place of a read."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from defender_remediate.arm.session import ArmResponse
from defender_remediate.execution.proof import shown_by
from defender_remediate.models import RemediationStep

BEFORE = {
    "name": "shopdata",
    "etag": "1",
    "tags": {},
    "properties": {"supportsHttpsTrafficOnly": False, "networkAcls": {"defaultAction": "Allow"}, "old": 1},
}


def answer(step: RemediationStep, **more: Any) -> ArmResponse:
    """The answer of a type that shows the whole resource."""
    body = deepcopy(BEFORE) | {"id": step.target_id.upper()}
    body["properties"] |= {"supportsHttpsTrafficOnly": True, "provisioningState": "Succeeded"}
    body["properties"] |= more.pop("properties", {})
    for path in more.pop("without", ()):
        outer, _, inner = path.partition(".")
        if inner:
            body[outer].pop(inner)
        else:
            body.pop(outer)
    told = {"status": 200, "headers": {}, "body": body, "method": "PATCH", **more}
    return ArmResponse(request_id="r", url=step.target_id, **told)


@pytest.mark.parametrize(
    ("more", "is_proof"),
    [
        ({}, True),
        ({"method": "PUT"}, True),
        ({"without": ["etag"]}, True),
        ({"properties": {"minimumTlsVersion": "TLS1_2"}}, True),
        ({"without": ["properties.old"]}, False),
        ({"without": ["name"]}, False),
        ({"without": ["id"]}, False),
        ({"properties": {"networkAcls": {}}}, False),
        ({"properties": {"networkAcls": None}}, False),
        ({"properties": {"supportsHttpsTrafficOnly": False}}, False),
        ({"properties": {"provisioningState": "Updating"}}, False),
        ({"properties": {"provisioningState": "Failed"}}, False),
        ({"properties": {"provisioningState": "Word"}}, False),
        ({"status": 201}, False),
        ({"status": 202}, False),
        ({"headers": {"azure-asyncoperation": "https://x"}}, False),
        ({"headers": {"location": "https://x"}}, False),
        ({"body": None}, False),
        ({"body": []}, False),
        ({"method": "POST"}, False),
        ({"method": "GET", "without": ["properties.old"]}, True),
    ],
)
def test_what_an_answer_has_to_show(
    make_step: Callable[..., RemediationStep], more: dict[str, Any], is_proof: bool
) -> None:
    """The whole target at rest, as the step wants it. A GET of the target is what it is."""
    step = make_step()
    assert (shown_by(answer(step, **more), step, BEFORE, may_be_write=True) is not None) is is_proof


def test_when_no_answer_to_a_write_counts(make_step: Callable[..., RemediationStep]) -> None:
    """In a small run, without the state before, for a type that echoes, below the resource, and for a deployment."""
    step = make_step()
    assert shown_by(answer(step), step, BEFORE, may_be_write=False) is None
    assert shown_by(None, step, BEFORE, may_be_write=True) is None
    assert shown_by(answer(step), step, None, may_be_write=True) is None
    for other in (
        make_step(resource_type="Microsoft.Web/sites"),
        make_step(target_id=f"{step.target_id}/blobServices/default"),
        make_step(executor="template"),
    ):
        assert shown_by(answer(other), other, BEFORE, may_be_write=True) is None


def test_a_member_that_the_step_removes_may_be_missing(make_step: Callable[..., RemediationStep]) -> None:
    """What is gone because the step removed it does not make the answer a part."""
    (change, _) = make_step().changes
    step = make_step(changes=(change, type(change)(path="properties.old", before=1)))
    assert shown_by(answer(step, without=["properties.old"]), step, BEFORE, may_be_write=True) is not None


def test_a_change_excuses_only_its_own_member(make_step: Callable[..., RemediationStep]) -> None:
    """A member whose name begins like that of a changed one is missed."""
    (change, _) = make_step().changes
    step = make_step(changes=(change, type(change)(path="properties.older", before=1)))
    assert shown_by(answer(step, without=["properties.old"]), step, BEFORE, may_be_write=True) is None
