"""Steps to judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.merge import merge_patch
from defender_remediate.models.plan import PlannedRequest, PropertyChange, RemediationStep
from defender_remediate.preflight.subject import Subject

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"


@pytest.fixture
def make_subject(make_step: Callable[..., RemediationStep]) -> Callable[..., Subject]:
    """A subject of a PATCH from one body to another, with whatever the test wants different in its step."""

    def make(
        before: Any = None, after: Any = None, *, resource: Any = None, policies: tuple[str, ...] = (), **step: Any
    ) -> Subject:
        planned = make_step(**step)
        if after is not None and "request" not in step:
            body = merge_patch(before or {}, after)
            request = attrs.evolve(planned.request, path=planned.target_id, body=body)
            planned = attrs.evolve(planned, request=request, changes=changes(before or {}, after))
        return Subject(step=planned, policies=policies, resource=resource, before=before, after=after)

    return make


@pytest.fixture
def deployment(make_step: Callable[..., RemediationStep]) -> Subject:
    """A template that gives a storage account a diagnostic setting, which links to a workspace."""
    workspace = f"{SUBSCRIPTION}/resourceGroups/logs-rg/providers/Microsoft.OperationalInsights/workspaces/central"
    request = PlannedRequest(
        method="PUT",
        path=f"{GROUP}/providers/Microsoft.Resources/deployments/defender-remediate-1",
        api_version="2024-03-01",
        body={"properties": {"parameters": {"workspace": {"value": workspace}, "names": {"value": ["a", 1]}}}},
    )
    step = make_step(
        executor="template",
        target_id=f"{ACCOUNT}/providers/Microsoft.Insights/diagnosticSettings",
        api_version="2021-05-01-preview",
        request=request,
        changes=(PropertyChange(path="x", after=1),),
        permissions=(
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.Insights/diagnosticSettings/write",
            "Microsoft.OperationalInsights/workspaces/sharedKeys/action",
            "Microsoft.Network/privateEndpoints/write",
            "Microsoft.Resources/deployments/write",
        ),
    )
    return Subject(step=step)
