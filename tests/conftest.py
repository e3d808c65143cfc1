"""What tests of several rooms share: makers of plans and reports, and how hypothesis works here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import attrs
import pytest
from hypothesis import settings

from defender_remediate.models.condition import Condition
from defender_remediate.models.plan import (
    ABSENT,
    PlannedRequest,
    PropertyChange,
    RemediationPlan,
    RemediationStep,
    SkippedResource,
)
from defender_remediate.models.result import RemediationReport, RemediationResult

# A busy machine is not a slow law.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/shop-rg/providers/Microsoft.Storage/storageAccounts/shopdata"
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)

_STEP = RemediationStep(
    id="step-1",
    executor="patch",
    keys=(KEY,),
    titles=("Secure transfer to storage accounts should be enabled",),
    resource_id=ACCOUNT,
    resource_type="Microsoft.Storage/storageAccounts",
    target_id=ACCOUNT,
    api_version="2023-05-01",
    changes=(
        PropertyChange(path="properties.supportsHttpsTrafficOnly", before=False, after=True),
        PropertyChange(path="properties.minimumTlsVersion", before=ABSENT, after="TLS1_2"),
    ),
    request=PlannedRequest(
        method="PATCH",
        path=ACCOUNT,
        api_version="2023-05-01",
        body={"properties": {"supportsHttpsTrafficOnly": True, "minimumTlsVersion": "TLS1_2"}},
    ),
    fingerprint="f" * 64,
    compliant_when=Condition(operator="equals", path="properties.supportsHttpsTrafficOnly", value=True),
    impact="connectivity",
    impact_reason="plain-HTTP clients are refused",
)
_PLAN = RemediationPlan(
    steps=(_STEP,),
    skipped=(SkippedResource(resource_id=f"{ACCOUNT}2", keys=(KEY,), reason="already_compliant"),),
    scope=(SUBSCRIPTION,),
    endpoint="https://management.azure.com",
    tenants=("99999999-8888-7777-6666-555555555555",),
    catalog_version="2026.11",
    created_at=NOON,
)
_RESULT = RemediationResult(
    step_id="step-1",
    resource_id=ACCOUNT,
    keys=(KEY,),
    outcome="applied",
    before={"properties.supportsHttpsTrafficOnly": False},
    after={"properties.supportsHttpsTrafficOnly": True, "properties.minimumTlsVersion": "TLS1_2"},
    attempts=1,
    request_id="0f0f0f0f-1111-2222-3333-444444444444",
    started=NOON,
    finished=NOON,
    compliant=True,
    health="healthy",
)
_REPORT = RemediationReport(
    run_id="run-1",
    correlation_id="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    plan=_PLAN,
    results=(_RESULT,),
    started=NOON,
    finished=NOON,
)


@pytest.fixture(autouse=True, scope="session")
def _journals_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests write their journals to a temporary directory, not to the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def _maker(example: Any) -> Callable[..., Any]:
    return lambda **changes: attrs.evolve(example, **changes)


@pytest.fixture
def make_step() -> Callable[..., RemediationStep]:
    """A step that closes one finding of a storage account, with whatever the test wants different."""
    return _maker(_STEP)


@pytest.fixture
def make_plan() -> Callable[..., RemediationPlan]:
    """A plan of one step and one skip, with whatever the test wants different."""
    return _maker(_PLAN)


@pytest.fixture
def make_result() -> Callable[..., RemediationResult]:
    """The good result of that step, with whatever the test wants different."""
    return _maker(_RESULT)


@pytest.fixture
def make_report() -> Callable[..., RemediationReport]:
    """The report of that plan, with whatever the test wants different."""
    return _maker(_REPORT)
