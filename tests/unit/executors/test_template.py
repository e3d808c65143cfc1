"""What a deployment would change, as Azure's what-if tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from defender_remediate import FixAction
from defender_remediate.arm.session import ArmResponse
from defender_remediate.executors import PreviewContext, TemplateExecutor
from defender_remediate.models import Condition, FixKind
from defender_remediate.testing.simulator.state.clock import VirtualClock

VAULT = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv1"
FIX = FixAction(
    key="k",
    title="T",
    kind="template",
    resource_type="Microsoft.KeyVault/vaults",
    api_version="2023-07-01",
    template={"$schema": "s", "contentVersion": "1.0.0.0", "resources": []},
    compliant_when=Condition(operator="exists", path="properties.a", value=True),
)


class WhatIf:
    """Tells of one change."""

    clock = VirtualClock()

    def __init__(self, resource_id: str) -> None:
        self.change = {"resourceId": resource_id, "changeType": "Modify", "before": {"a": 1}, "after": {"a": 2}}

    def get(self, path: str, *, api_version: str, params: Mapping[str, str] | None = None) -> ArmResponse:
        raise NotImplementedError

    def post_query(
        self, path: str, *, api_version: str, body: Any, params: Mapping[str, str] | None = None
    ) -> ArmResponse:
        found = {"status": "Succeeded", "properties": {"changes": [self.change]}}
        return ArmResponse(status=200, headers={}, body=found, request_id="", url=path, method="POST")

    def follow(self, url: str) -> ArmResponse:
        raise NotImplementedError


def preview(changed: str) -> tuple[PreviewContext, str]:
    context = PreviewContext(
        fixes=(FIX,),
        kind=FixKind.TEMPLATE,
        values={"password": "planted-S3CR3T"},
        resource_id=VAULT,
        target_id=VAULT,
        before={"password": "planted-S3CR3T"},
        after=None,
        reader=WhatIf(changed),
    )
    return context, TemplateExecutor().preview(context).changes[0].path


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (VAULT.upper(), "(resource) a"),
        (f"{VAULT}/keys/one", "keys/one a"),
        (f"{VAULT}0", f"{VAULT}0 a"),
        (f"{VAULT}0/keys/one", f"{VAULT}0/keys/one a"),
    ],
)
def test_a_change_is_named_from_the_resource_on(changed: str, path: str) -> None:
    """A neighbour whose name begins alike is named in full: it is another resource."""
    assert preview(changed)[1] == path


def test_a_context_shows_no_body() -> None:
    """An executor that logs what it was given gives nothing away."""
    assert "planted" not in repr(preview(VAULT)[0])


@pytest.mark.parametrize(
    ("kind", "after", "version"),
    [
        ("Create", {"apiVersion": "2021-05-01-preview", "a": 2}, "2021-05-01-preview"),
        ("create", {"apiVersion": "1"}, "1"),
        ("Create", {"a": 2}, None),
        ("Create", None, None),
        ("Modify", {"apiVersion": "1", "a": 2}, None),
        ("Deploy", {"apiVersion": "1", "a": 2}, None),
    ],
)
def test_only_what_azure_says_it_creates_counts_as_created(kind: str, after: Any, version: str | None) -> None:
    """And only with the version that it can be looked at with again."""
    context, _ = preview(f"{VAULT}/keys/one")
    context.reader.change = {  # type: ignore[attr-defined]
        "resourceId": f"{VAULT}/keys/one",
        "changeType": kind,
        "after": after,
    }
    found = TemplateExecutor().preview(context).creates
    expected = [(f"{VAULT}/keys/one", version)] if version else []
    assert [(one.resource_id, one.api_version) for one in found] == expected


@pytest.mark.parametrize("as_mapping", [False, True])
def test_what_azure_does_not_give_the_version_of_is_known_by_the_template(as_mapping: bool) -> None:
    """Also in a nested template, and where resources have symbolic names; an invalid id has no version."""
    key = {"type": "Microsoft.KeyVault/vaults/keys", "apiVersion": "2023-07-01"}
    nested = {"type": "Microsoft.Resources/deployments", "properties": {"template": {"resources": [key]}}}
    template = {"resources": {"key": key, "odd": "x"} if as_mapping else [nested, {"properties": None}]}
    context, _ = preview(VAULT)
    context = attrs.evolve(context, fixes=(attrs.evolve(FIX, template=template),))
    created = []
    for resource_id in (f"{VAULT}/KEYS/one", f"{VAULT}/secrets/one", "odd"):
        context.reader.change = {"resourceId": resource_id, "changeType": "Create"}  # type: ignore[attr-defined]
        created += [(one.resource_id, one.api_version) for one in TemplateExecutor().preview(context).creates]
    assert created == [(f"{VAULT}/KEYS/one", "2023-07-01")]
