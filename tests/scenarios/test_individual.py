"""Individual recommendations in a plan, and plans that events ask for."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from defender_remediate import RemediationClient
from defender_remediate.errors import InvalidInputError
from defender_remediate.models import RecommendationCategory
from defender_remediate.testing import ArmSimulator

UPDATES = RecommendationCategory.SOFTWARE_UPDATE
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
EXAMPLE = Path(__file__).parents[2] / "examples" / "function_app.py"


@pytest.fixture
def machine(sim: ArmSimulator) -> str:
    """A virtual machine that needs an update."""
    return f"{sim.scopes[1]}/resourceGroups/rg-contoso-vms/providers/Microsoft.Compute/virtualMachines/vm-contoso-jump"


@pytest.mark.parametrize("source", ["rest", "graph"])
def test_every_row_of_an_individual_recommendation_is_in_the_plan(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], machine: str, source: str
) -> None:
    """Also those with another of its generated keys, each with what to do instead of a fix."""
    sim.defender.add_individual("Update OpenSSL", machine, category=UPDATES, key="ffffffff-0000-4000-8000-00000000000f")
    client = connect(sim.scopes, source=source)
    (found, _) = client.list_recommendations(category=UPDATES)
    plan = client.plan(found)
    assert len(plan.skipped) == found.unhealthy_count == 3
    assert {str(skipped.reason) for skipped in plan.skipped} == {"no_fix"}
    assert found.guidance is not None
    assert {skipped.message for skipped in plan.skipped} == {found.guidance.action}
    (assessment, *_) = client.list_assessments(found)
    assert len(client.plan(assessment).skipped) == 1


def test_a_row_of_an_unknown_category_has_no_advice(sim: ArmSimulator, client: RemediationClient, machine: str) -> None:
    """It is skipped as any recommendation without a fix."""
    sim.defender.add_individual("Rotate qubits", machine, category="QuantumRisks")
    (found,) = client.list_recommendations(category="QuantumRisks")
    assert found.guidance is None
    (skipped,) = client.plan([found]).skipped
    assert skipped.message.startswith("the catalog has no fix of this recommendation")
    sim.defender.add_individual("Rotate qubits", machine, category="QuantumRisks", code="Healthy")
    assert client.plan(found).steps == ()


def test_what_is_wrong_is_said_before_the_rows_are_read(client: RemediationClient, sim: ArmSimulator) -> None:
    """An individual recommendation beside it makes no difference."""
    (found, *_) = client.list_recommendations(category=UPDATES)
    before = len(sim.requests)
    with pytest.raises(InvalidInputError):
        client.plan([found, 5])  # type: ignore[list-item]
    assert len(sim.requests) == before


def test_a_listing_can_be_read_again_page_by_page(client: RemediationClient) -> None:
    """Also when its categories or ids came from an iterator."""
    for listed in (
        client.list_assessments(category=iter([UPDATES])),
        client.list_recommendations(category=iter([UPDATES])),
        client.list_cve_assessments(category=iter([UPDATES])),
    ):
        first = list(listed)
        again = [item for page in listed.by_page() for item in page]
        assert first == again != []


def test_cves_and_attack_paths_of_a_management_group(connect: Callable[..., RemediationClient], machine: str) -> None:
    """As a script asks for them."""
    client = connect("/providers/Microsoft.Management/managementGroups/contoso")
    listed = client.list_cves(iter(["CVE-2026-0001"]))
    assert [cve.id for cve in listed] == [cve.id for page in listed.by_page() for cve in page] == ["CVE-2026-0001"]
    assert [path.name for path in client.list_attack_paths(machine)] == ["jump-to-vault"]
    (assessment, *_) = client.list_assessments(category=UPDATES)
    assert json.loads(json.dumps(assessment.to_dict()))["is_individual"] is True
    assert "_metadata" not in assessment.to_dict()


@pytest.fixture
def function_app(
    monkeypatch: pytest.MonkeyPatch, sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> ModuleType:
    """The example, with a stand-in for the package of Azure Functions and a client on the demo tenant."""

    class FunctionApp:
        def __getattr__(self, name: str) -> Any:
            return lambda **binding: lambda function: function

    stub = SimpleNamespace(
        FunctionApp=FunctionApp, Cardinality=SimpleNamespace(MANY="many"), EventHubEvent=object, Out=dict
    )
    monkeypatch.setitem(sys.modules, "azure.functions", stub)
    spec = importlib.util.spec_from_file_location("function_app", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "connect", lambda: connect(sim.scopes))
    return module


def event(resource: str, **changes: Any) -> Any:
    """A message of Event Hubs with one exported assessment."""
    body = {
        "type": "Microsoft.Security/assessments",
        "id": f"{resource}/providers/Microsoft.Security/assessments/{SECURE_TRANSFER}",
        "name": SECURE_TRANSFER,
        "assessmentEventDataEnrichment": {"action": "Insert"},
        "properties": {"resourceDetails": {"source": "Azure", "id": resource}, "status": {"code": "Unhealthy"}},
        **changes,
    }
    return SimpleNamespace(get_body=lambda: json.dumps(body).encode(), enqueued_time=None)


def test_the_function_plans_for_the_resource_of_an_event(
    function_app: ModuleType, sim: ArmSimulator, accounts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Once for duplicates, not at all for what was deleted; a message that is not an event does not stop the others."""
    plans: list[str] = []
    out = SimpleNamespace(set=plans.append)
    deleted = event(accounts[1], assessmentEventDataEnrichment={"action": "Delete"})
    retired = event(accounts[2], type="Microsoft.Security/assessments/subAssessments")
    broken = SimpleNamespace(get_body=lambda: b"not json", enqueued_time=None)
    with caplog.at_level(logging.INFO):
        function_app.plan_for_events([event(accounts[0]), event(accounts[0]), deleted, retired, broken], out)
    (written,) = plans
    (plan,) = json.loads(written)
    assert [step["resource_id"] for step in plan["steps"]] == [accounts[0]]
    assert not sim.writes
    assert "31 July 2026" in caplog.text
    assert "is not JSON" in caplog.text
    function_app.plan_for_events([deleted], out)
    assert len(plans) == 1
